//! Documents: one title each, no path or link into the void, flags that there are.

use std::collections::BTreeSet;

use super::TextFile;
use super::sources::production;

/// Written by the program itself; `node/tests/reference.rs` compares them to the letter.
const GENERATED: &[&str] = &["docs/reference/flags.md", "docs/reference/metrics.md"];

/// Crates whose flags are flags of the program.
const FLAG_OWNERS: &[&str] =
    &["core/", "gateway/", "ingester/", "querier/", "compactor/", "ruler/", "node/"];

pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    let known = known_paths(files);
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        check_titles(file, &mut breaches);
        check_links(file, &known, &mut breaches);
        if file.path == "ARCHITECTURE.md" {
            check_paths(file, &known, &mut breaches);
        }
    }
    for path in GENERATED.iter().filter(|path| !known.contains(**path)) {
        breaches.push(format!("{path}:1: is not there; `cargo xtask fix` writes it"));
    }
    check_flags(files, &mut breaches);
    check_mentions(files, &mut breaches);
    breaches
}

/// One title, so that a page is about one thing and a list of pages reads well.
fn check_titles(TextFile { path, text }: &TextFile, breaches: &mut Vec<String>) {
    let titles: Vec<usize> =
        prose(text).filter(|(_, line)| line.starts_with("# ")).map(|(number, _)| number).collect();
    if titles.is_empty() {
        breaches.push(format!("{path}:1: has no title; begin with `# …`"));
    }
    for number in titles.iter().skip(1) {
        breaches.push(format!("{path}:{number}: a second title; make it a section, `## …`"));
    }
}

/// Lines with their numbers, outside of code.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((at + 1, line))
    })
}

/// Every file and every folder that holds one.
fn known_paths(files: &[TextFile]) -> BTreeSet<&str> {
    let mut known = BTreeSet::new();
    for file in files {
        let mut path = file.path.as_str();
        known.insert(path);
        while let Some((parent, _)) = path.rsplit_once('/') {
            known.insert(parent);
            path = parent;
        }
    }
    known
}

/// Links between our own files lead somewhere.
fn check_links(file: &TextFile, known: &BTreeSet<&str>, breaches: &mut Vec<String>) {
    let path = &file.path;
    for (number, line) in prose(&file.text) {
        let links = line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = resolve(path, link);
            if !known.contains(target.as_str()) {
                breaches.push(format!("{path}:{number}: links to {target}, which is not there"));
            }
        }
    }
}

/// A link from the page at `path`, as a path from the root.
fn resolve(path: &str, link: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    let file = link.split('#').next().unwrap_or_default().trim_end_matches('/');
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// What stands between backticks and looks like a path from the root is there.
fn check_paths(file: &TextFile, known: &BTreeSet<&str>, breaches: &mut Vec<String>) {
    let is_path = |word: &&str| {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        let first = word.split('/').next().unwrap_or_default();
        word.contains('/') && word.chars().all(is_plain) && known.contains(first)
    };
    for (number, line) in prose(&file.text) {
        let quoted = line.split('`').skip(1).step_by(2).map(|word| word.trim_end_matches('/'));
        for path in quoted.filter(is_path).filter(|path| !known.contains(path)) {
            breaches.push(format!("{}:{number}: names {path}, which is not there", file.path));
        }
    }
}

/// Each flag of the sources is in the reference, and each of the reference in the sources.
fn check_flags(files: &[TextFile], breaches: &mut Vec<String>) {
    let Some(page) = files.iter().find(|file| file.path == GENERATED[0]) else { return };
    let mut shown: BTreeSet<&str> = page.text.lines().filter_map(documented_flag).collect();
    let is_owner = |file: &&TextFile| FLAG_OWNERS.iter().any(|dir| file.path.starts_with(dir));
    let mut missing = Vec::new();
    let mut found = BTreeSet::new();
    for file in files.iter().filter(is_owner) {
        for (number, flag, is_hidden) in declared_flags(file) {
            found.insert(flag);
            if !shown.contains(flag) && !is_hidden {
                missing.push(format!("{}:{number}: --{flag}", file.path));
            }
        }
    }
    shown.retain(|flag| flag.contains('.') && !found.contains(flag));
    let remedy = "`cargo xtask fix` writes it anew";
    breaches.extend(missing.iter().map(|flag| format!("{flag} is not in {}; {remedy}", page.path)));
    let stale = shown.iter().map(|flag| format!("{}:1: --{flag} is no flag; {remedy}", page.path));
    breaches.extend(stale);
}

/// Texts for people, in code and on pages, name only flags that there are: a remedy that does not
/// exist is worse than none.
fn check_mentions(files: &[TextFile], breaches: &mut Vec<String>) {
    let Some(page) = files.iter().find(|file| file.path == GENERATED[0]) else { return };
    let mut shown: BTreeSet<&str> = page.text.lines().filter_map(documented_flag).collect();
    let is_owner = |path: &str| FLAG_OWNERS.iter().any(|dir| path.starts_with(dir));
    let owned = files.iter().filter(|file| is_owner(&file.path));
    let hidden = owned.flat_map(declared_flags).filter(|(_, _, is_hidden)| *is_hidden);
    shown.extend(hidden.map(|(_, flag, _)| flag));
    let speaks = |file: &&TextFile| file.path.ends_with(".md") || is_owner(&file.path);
    for file in files.iter().filter(speaks).filter(|file| file.path != page.path) {
        for (at, line) in production(file).enumerate() {
            for flag in mentioned_flags(line).filter(|flag| !shown.contains(flag)) {
                let place = format!("{}:{}", file.path, at + 1);
                breaches.push(format!("{place}: --{flag} is no flag; see {}", page.path));
            }
        }
    }
}

/// Each `--a.b-c` of a line. `--a.*` stands for several and is none.
fn mentioned_flags(line: &str) -> impl Iterator<Item = &str> {
    line.split("--").skip(1).filter_map(|rest| {
        let is_part = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '-');
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let flag = rest[..end].trim_end_matches(['.', '-']);
        (flag.contains('.') && !rest[flag.len()..].starts_with(".*")).then_some(flag)
    })
}

/// Each `long = "a.b"` of a file with its line, and whether its attribute hides it from the reference
/// because it is for tests.
fn declared_flags(file: &TextFile) -> impl Iterator<Item = (usize, &str, bool)> {
    let lines: Vec<&str> = production(file).collect();
    (0..lines.len()).filter_map(move |at| {
        let (_, rest) = lines[at].split_once("long = \"")?;
        let flag = rest.split('"').next().filter(|flag| flag.contains('.'))?;
        let end = lines[at..].iter().position(|line| line.ends_with(")]")).unwrap_or(0);
        let is_hidden = lines[at..=at + end].iter().any(|line| line.contains("hide = true"));
        Some((at + 1, flag, is_hidden))
    })
}

/// The flag of a row of the reference.
fn documented_flag(line: &str) -> Option<&str> {
    line.strip_prefix("| `--")?.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    /// The breaches of these files beside fresh references.
    fn check_with(mut files: Vec<TextFile>) -> Vec<String> {
        files.push(file("docs/reference/flags.md", "# Flags\n| `--a.b` | … |\n| `--json` | … |\n"));
        files.push(file("docs/reference/metrics.md", "# Metrics\n"));
        files.push(file("node/src/b.rs", "//! B.\n    #[arg(long = \"a.b\")]\n"));
        files.push(file("node/src/h.rs", "//! H.\n#[arg(\n long = \"h.h\",\n hide = true\n)]\n"));
        check(&files)
    }

    #[test]
    fn a_path_that_is_gone_and_a_second_title_are_named() {
        let text =
            "# A\n`core/a.rs` `core/b.rs` `core/` `a/b` `x y/z`\n```text\n# not a title\n```";
        let breaches = check_with(vec![
            file("ARCHITECTURE.md", text),
            file("core/a.rs", ""),
            file("b.md", "# A\n# B\n"),
            file("c.md", "C\n"),
        ]);
        let expected = [
            "ARCHITECTURE.md:2: names core/b.rs, which is not there",
            "b.md:2: a second title; make it a section, `## …`",
            "c.md:1: has no title; begin with `# …`",
        ];
        assert_eq!(breaches, expected);
    }

    #[test]
    fn a_link_into_the_void_is_named() {
        let text = "# A\n[up](../README.md#x) [gone](b.md) [out](https://a.example) [in](#a)\n";
        let breaches = check_with(vec![file("docs/a.md", text), file("README.md", "# R\n")]);
        assert_eq!(breaches, ["docs/a.md:2: links to docs/b.md, which is not there"]);
    }

    #[test]
    fn a_flag_that_does_not_exist_is_named() {
        let text = "//! Use --a.b, --h.h or --a.*, not --a.c.\n";
        let breaches = check_with(vec![file("core/c.rs", text), file("d.md", "# D\n`--d.e=1`\n")]);
        let expected = [
            "core/c.rs:1: --a.c is no flag; see docs/reference/flags.md",
            "d.md:2: --d.e is no flag; see docs/reference/flags.md",
        ];
        assert_eq!(breaches, expected);
    }

    #[test]
    fn a_stale_reference_is_named() {
        let breaches = check_with(vec![file("core/c.rs", "//! C.\nlong = \"c.d\",\n")]);
        let expected = "core/c.rs:2: --c.d is not in docs/reference/flags.md; `cargo xtask fix` \
                        writes it anew";
        assert_eq!(breaches, [expected]);
        let files = [file("docs/reference/flags.md", "# Flags\n| `--gone.flag` |\n")];
        let expected = [
            "docs/reference/metrics.md:1: is not there; `cargo xtask fix` writes it",
            "docs/reference/flags.md:1: --gone.flag is no flag; `cargo xtask fix` writes it anew",
        ];
        assert_eq!(check(&files), expected);
    }
}
