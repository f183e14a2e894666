//! The commands that the README and the pages for operators show are run as they stand there.
//!
//! A block marked `console` is a session: a line after `$ ` is typed, what follows is what it must
//! answer, with `…` for whatever else there is. Two things differ from a terminal: a node that starts
//! goes to the background until the page starts another or shows `^C`, and `127.0.0.1:9009` is a
//! free port. A command `# exits with 1` must do so.

#![expect(clippy::print_stdout, reason = "the commands belong into the test's output")]

#[path = "cluster/varve.rs"]
mod varve;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use varve::{await_for, free_address, terminate};

/// The address that the pages use, which is the default.
const DEFAULT: &str = "127.0.0.1:9009";
const PATIENCE: Duration = Duration::from_secs(60);

/// What Ctrl-C looks like on a terminal.
const INTERRUPT: &str = "^C";

/// Someone who reads a page and types what it says.
struct Reader {
    folder: tempfile::TempDir,
    address: String,
    node: Option<Child>,
}

/// One command of a page, and what must come of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    command: String,
    answer: String,
}

// === impl Reader ===

impl Reader {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        Self { folder, address: free_address(), node: None }
    }

    fn take(&mut self, step: &Step) {
        let (command, status) = match step.command.split_once("# exits with ") {
            Some((command, status)) => (command.trim(), status.trim().parse().expect("a number")),
            None => (step.command.as_str(), 0),
        };
        if command == "cargo xtask up" {
            self.start(&format!("varve run --web.listen-address={DEFAULT}"));
        } else if command == "cargo xtask test" {
            // This is a part of it.
        } else if command == INTERRUPT {
            self.stop();
        } else if command.starts_with("varve run") && status == 0 && !command.ends_with("--help") {
            self.start(command);
        } else {
            self.run(command, status, &step.answer);
        }
    }

    fn shell(&self, command: &str) -> Command {
        let varve = std::env::var_os("CARGO_BIN_EXE_varve").expect("cargo says where it is");
        let programs = Path::new(&varve).parent().expect("it is in a folder");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display());
        let mut shell = Command::new("bash");
        shell
            .args(["-o", "pipefail", "-c", &command.replace(DEFAULT, &self.address)])
            .current_dir(self.folder.path())
            .env("PATH", path)
            // `varve check` asks the default address unless told otherwise.
            .env("VARVE_URL", format!("http://{}", self.address))
            .stdin(Stdio::null());
        shell
    }

    fn start(&mut self, command: &str) {
        self.stop();
        let log = fs::File::create(self.folder.path().join("log")).expect("the folder is writable");
        let node = self.shell(&format!("exec {command}")).stderr(log).spawn();
        self.node = Some(node.expect("bash is part of every system"));
        let ready = await_for("the node to be ready", PATIENCE, || {
            self.log().contains("msg=ready").then_some(())
        });
        assert!(ready.is_some(), "{command}: not ready\n{}", self.log());
    }

    fn stop(&mut self) {
        let Some(mut node) = self.node.take() else { return };
        terminate(&node);
        let status = node.wait().expect("the child is ours");
        assert!(status.success(), "{status}\n{}", self.log());
    }

    #[expect(clippy::panic, reason = "a page that is wrong fails the test")]
    fn run(&self, command: &str, status: i32, answer: &str) {
        let output = self.shell(command).output().expect("bash is part of every system");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(status), "{command}\n{said}");
        let is_told = !command.starts_with("curl") || !answer.is_empty();
        assert!(is_told, "{command}: curl succeeds with any answer; the page must show which");
        let mut rest = said.as_str();
        for part in answer.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            let Some(at) = rest.find(part) else { panic!("{command}\n{said}\n… lacks {part:?}") };
            rest = &rest[at + part.len()..];
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.kill().expect("the child is ours");
            node.wait().expect("the child is ours");
        }
    }
}

/// The sessions of a page, one after the other.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_session = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_session = line == "```console";
            continue;
        }
        if !is_session {
            continue;
        }
        let command = line.strip_prefix("$ ").or((line == INTERRUPT).then_some(line));
        if let Some(command) = command {
            steps.push(Step { command: command.to_owned(), answer: String::new() });
        } else if let Some(step) = steps.last_mut() {
            step.answer += line;
            step.answer.push('\n');
        }
    }
    steps
}

/// What a `# …` at the end of a command says is for people.
fn without_remark(step: Step) -> Step {
    match step.command.split_once("    # ") {
        Some((command, remark)) if !remark.starts_with("exits with") => {
            Step { command: command.trim_end().to_owned(), ..step }
        }
        _ => step,
    }
}

fn pages() -> BTreeMap<PathBuf, String> {
    let root = Path::new("..");
    let operations = fs::read_dir(root.join("docs/operations")).expect("the folder is there");
    let pages = operations.map(|entry| entry.expect("the folder is readable").path());
    let pages = pages.chain([root.join("README.md"), root.join("loadtest/README.md")]);
    pages.map(|path| (path.clone(), fs::read_to_string(path).expect("a page is text"))).collect()
}

#[test]
fn what_the_pages_show_is_what_happens() {
    let mut n_commands = 0;
    for (path, page) in pages() {
        let mut reader = Reader::new();
        for step in steps(&page).into_iter().map(without_remark) {
            println!("{}: {}", path.display(), step.command);
            n_commands += 1;
            reader.take(&step);
        }
        reader.stop();
    }
    assert!(n_commands >= 15, "the pages show {n_commands} commands; has their form changed?");
}

#[test]
fn a_session_is_read_as_commands_and_answers() {
    let page =
        "```console\n$ a b    # why\nx…\ny\n$ c    # exits with 1\n^C\n```\n```sh\n$ d\n```\n";
    let steps: Vec<Step> = steps(page).into_iter().map(without_remark).collect();
    let step = |command: &str, answer: &str| Step {
        command: command.to_owned(),
        answer: answer.to_owned(),
    };
    assert_eq!(steps, [step("a b", "x…\ny\n"), step("c    # exits with 1", ""), step("^C", "")]);
}
