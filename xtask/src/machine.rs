//! What the project needs from the system, and how it gets it: Debian packages, by apt-get when this
//! is root, otherwise as a command to type.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::build::{succeed, typed};

/// Something that must be on the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// The Debian package that brings it.
    package: &'static str,
    /// What it is for.
    purpose: &'static str,
    sign: Sign,
}

/// How to see that it is there, whoever brought it.
#[derive(Debug, Clone, Copy)]
enum Sign {
    /// A program in one of the folders where programs are.
    Program(&'static str),
    /// A shared library whose name begins so.
    Library(&'static str),
}

/// What a build needs besides Rust.
pub(crate) const BUILD: &[Need] = &[
    need("g++", "compiles RocksDB", Sign::Program("g++")),
    need("make", "builds jemalloc", Sign::Program("make")),
    need("libclang-dev", "reads RocksDB's C header for its bindings", Sign::Library("libclang")),
];

/// What the tests need besides what a build needs.
pub(crate) const TESTS: &[Need] = &[
    need(
        "prometheus",
        "scrapes and remote-writes in the end-to-end test",
        Sign::Program("prometheus"),
    ),
    need(
        "prometheus-node-exporter",
        "is scraped in the end-to-end test",
        Sign::Program("prometheus-node-exporter"),
    ),
    need("systemd", "checks the unit file", Sign::Program("systemd-analyze")),
    need("curl", "is what the pages show", Sign::Program("curl")),
];

/// What a comparison with the peers needs besides that.
pub(crate) const PEERS: &[Need] = &[
    need("prometheus", "is a peer", Sign::Program("prometheus")),
    need("victoria-metrics", "is a peer", Sign::Program("victoria-metrics")),
];

const PROGRAM_DIRS: &[&str] =
    &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

const LIBRARY_DIRS: &[&str] = &["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib"];

const fn need(package: &'static str, purpose: &'static str, sign: Sign) -> Need {
    Need { package, purpose, sign }
}

/// Makes sure that everything is there; installs what is missing.
///
/// # Errors
/// When something is missing and cannot be installed from here; the text is the command that can.
pub(crate) fn provide(needs: &[&[Need]]) -> Result<()> {
    let missing: Vec<Need> =
        needs.iter().copied().flatten().copied().filter(|need| !need.sign.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for Need { package, purpose, .. } in &missing {
        println!("missing: {package} ({purpose})");
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends"]);
    install.args(missing.iter().map(|need| need.package));
    if !Sign::Program("apt-get").is_there() {
        bail!("this is not Debian: install what these packages hold, then try again");
    }
    if !is_root() {
        bail!("run this, then try again:\n  sudo apt-get update && sudo {}", typed(&install));
    }
    let mut update = Command::new("apt-get");
    succeed(update.args(["--quiet", "update"]))?;
    // The tests start their own Prometheus; run level 1 keeps the package from starting one too.
    succeed(install.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1"))?;
    match missing.iter().find(|need| !need.sign.is_there()) {
        Some(need) => bail!("{} is installed, and still {:?} is missing", need.package, need.sign),
        None => Ok(()),
    }
}

// === impl Sign ===

impl Sign {
    fn is_there(self) -> bool {
        match self {
            Self::Program(name) => {
                PROGRAM_DIRS.iter().any(|dir| Path::new(dir).join(name).exists())
            }
            Self::Library(name) => {
                LIBRARY_DIRS.iter().any(|dir| holds_library(Path::new(dir), name))
            }
        }
    }
}

/// Libraries lie in a library folder, or one or two floors down (`x86_64-linux-gnu`,
/// `llvm-14/lib`).
fn holds_library(dir: &Path, name: &str) -> bool {
    let is_it = |path: &Path| {
        let file = path.file_name().map(|file| file.to_string_lossy().into_owned());
        file.is_some_and(|file| {
            file.strip_prefix(name).is_some_and(|rest| {
                rest.contains(".so") && rest.starts_with(['.', '-']) && !rest.starts_with("-cpp")
            })
        })
    };
    let entries = |dir: &Path| {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let below = entries(dir);
    below.iter().any(|path| is_it(path))
        || below.iter().filter(|path| path.is_dir()).any(|path| {
            entries(path).iter().any(|path| is_it(path))
                || entries(&path.join("lib")).iter().any(|path| is_it(path))
        })
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_found_where_debian_puts_it() {
        let dir = tempfile::tempdir().unwrap();
        let lib = dir.path().join("llvm-14/lib");
        fs::create_dir_all(&lib).unwrap();
        fs::write(lib.join("libclang-cpp.so.14"), "").unwrap();
        assert!(!holds_library(dir.path(), "libclang"), "the C++ library is another one");
        fs::write(lib.join("libclang-14.so.1"), "").unwrap();
        assert!(holds_library(dir.path(), "libclang"));
    }

    #[test]
    fn what_is_there_is_not_installed_again() {
        provide(&[&[need("coreutils", "lists", Sign::Program("ls"))]]).unwrap();
    }
}
