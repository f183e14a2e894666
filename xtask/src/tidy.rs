//! The house rules that no compiler knows, as tests: a rule that nothing enforces is given up.
//!
//! Each file below checks one kind of rule over values (manifests, a list of files with their text)
//! and returns what it found, as `file:line: what is wrong; what to do`; only this file reads the tree.

mod arrows;
mod docs;
mod errors;
mod lock;
mod sources;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Folders that hold nothing of ours.
const SKIPPED_DIRS: &[&str] = &[".git", "target", "data"];

/// A text file of the tree.
#[derive(Debug, Clone)]
struct TextFile {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

/// Checks the tree below `root`.
///
/// # Errors
/// When a rule is broken; each breach is printed.
pub(crate) fn run(root: &Path) -> Result<()> {
    let breaches = check(root)?;
    for breach in &breaches {
        println!("tidy: {breach}");
    }
    if breaches.is_empty() {
        Ok(())
    } else {
        bail!("{} breaches of the house rules", breaches.len())
    }
}

fn check(root: &Path) -> Result<Vec<String>> {
    let files = read_tree(root)?;
    let text_of = |path: &str| {
        files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str())
    };
    let mut breaches = tree::check(&files);
    breaches.extend(sources::check(&files));
    breaches.extend(docs::check(&files));
    breaches.extend(errors::check(&files));
    breaches.extend(lock::check(text_of("Cargo.lock")));
    breaches.extend(arrows::check(&arrows::manifests(root)?, &files));
    Ok(breaches)
}

/// Every text file, sorted by path.
fn read_tree(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for path in entries(&dir)? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            if path.is_dir() {
                if !name.is_some_and(|name| SKIPPED_DIRS.contains(&name.as_str())) {
                    dirs.push(path);
                }
                continue;
            }
            // What is not text (a golden file) has no lines to check.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let relative = path.strip_prefix(root).expect("the walk stays below the root");
            files.push(TextFile { path: relative.to_string_lossy().into_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let read = || fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect();
    let entries: std::io::Result<Vec<PathBuf>> = read();
    entries.with_context(|| format!("cannot list {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let breaches = check(&crate::build::root()).unwrap();
        assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
    }
}
