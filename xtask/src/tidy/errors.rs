//! Every error that a caller can meet has a section in docs/errors.md under its immutable id.

use std::collections::{BTreeMap, BTreeSet};

use super::TextFile;
use super::sources::production;

const PAGE: &str = "docs/errors.md";

/// How every id begins.
const PREFIX: &str = "err-varve-";

/// Test doubles of production files answer with such ids.
const TEST_PREFIX: &str = "err-varve-test";

pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let used = used_ids(files);
    let page = files.iter().find(|file| file.path == PAGE);
    let sections = page.map(|file| sections(&file.text)).unwrap_or_default();
    let mut breaches = Vec::new();
    for (id, place) in &used {
        if !sections.iter().any(|(_, section)| section == id) {
            breaches.push(format!(
                "{place}: {id} has no section in {PAGE}; say there what it means and what to do"
            ));
        }
    }
    let mut seen = BTreeSet::new();
    for (number, id) in sections {
        if !used.contains_key(id) {
            breaches.push(format!("{PAGE}:{number}: nothing answers with {id}; take it out"));
        }
        if !seen.insert(id) {
            breaches.push(format!("{PAGE}:{number}: a second section of {id}; join them"));
        }
    }
    breaches
}

/// Each id with the first place that names it.
fn used_ids(files: &[TextFile]) -> BTreeMap<&str, String> {
    let mut ids = BTreeMap::new();
    for file in files.iter().filter(|file| is_product(&file.path)) {
        for (at, line) in production(file).enumerate() {
            let words = line.split('"').skip(1).step_by(2);
            for id in words.filter(|word| is_id(word) && !word.starts_with(TEST_PREFIX)) {
                ids.entry(id).or_insert_with(|| format!("{}:{}", file.path, at + 1));
            }
        }
    }
    ids
}

fn is_product(path: &str) -> bool {
    path.ends_with(".rs") && !path.starts_with("xtask/") && !path.starts_with("loadtest/")
}

fn is_id(word: &str) -> bool {
    let rest = word.strip_prefix(PREFIX);
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
}

/// Headings that are ids, with their lines.
fn sections(page: &str) -> Vec<(usize, &str)> {
    let headings = page.lines().enumerate().filter(|(_, line)| line.starts_with('#'));
    let ids = headings.map(|(at, line)| (at + 1, line.trim_matches(['#', ' ', '`'])));
    ids.filter(|(_, id)| is_id(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_section_and_a_section_without_an_error_are_named() {
        let file =
            |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let files = [
            file("gateway/src/a.rs", "//! A.\nconst A: &str = \"err-varve-a\";\n"),
            file(
                "gateway/src/b.rs",
                "//! B.\nf(\"x\", \"err-varve-b\");\nmod tests {\n\"err-varve-c\"",
            ),
            file("gateway/tests/c.rs", "//! C.\n\"err-varve-d\"\n"),
            file(
                PAGE,
                "# Errors\n## `err-varve-a`\n## Shape\n### err-varve-gone\n## err-varve-a\n",
            ),
        ];
        let expected = [
            "gateway/src/b.rs:2: err-varve-b has no section in docs/errors.md; say there what it \
             means and what to do",
            "docs/errors.md:4: nothing answers with err-varve-gone; take it out",
            "docs/errors.md:5: a second section of err-varve-a; join them",
        ];
        assert_eq!(check(&files), expected);
    }
}
