//! Documents: one title each, and ARCHITECTURE.md names only what is there.

use std::collections::BTreeSet;

use super::TextFile;

pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let titles = titles(&file.text);
        if titles != 1 {
            breaches.push(format!("{} has {titles} titles (`# …`) and not one", file.path));
        }
    }
    let known = known_paths(files);
    let architecture = files.iter().filter(|file| file.path == "ARCHITECTURE.md");
    for path in architecture.flat_map(|file| named_paths(&file.text, &known)) {
        if !known.contains(path) {
            breaches.push(format!("ARCHITECTURE.md names {path}, which is not there"));
        }
    }
    breaches
}

/// Headings of the first level, outside of code.
fn titles(text: &str) -> usize {
    let mut is_code = false;
    text.lines()
        .filter(|line| {
            is_code ^= line.trim_start().starts_with("```");
            !is_code && line.starts_with("# ")
        })
        .count()
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

/// What stands between backticks and looks like a path from the root.
fn named_paths<'a>(text: &'a str, known: &BTreeSet<&str>) -> Vec<&'a str> {
    let is_path = |word: &&str| {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
        let first = word.split('/').next().unwrap_or_default();
        word.contains('/') && word.chars().all(is_plain) && known.contains(first)
    };
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.map(|word| word.trim_end_matches('/')).filter(is_path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_gone_and_a_second_title_are_named() {
        let file =
            |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let text =
            "# A\n`core/a.rs` `core/b.rs` `core/` `a/b` `x y/z`\n```text\n# not a title\n```";
        let files =
            [file("ARCHITECTURE.md", text), file("core/a.rs", ""), file("b.md", "# A\n# B\n")];
        let expected = [
            "b.md has 2 titles (`# …`) and not one",
            "ARCHITECTURE.md names core/b.rs, which is not there",
        ];
        assert_eq!(check(&files), expected);
    }
}
