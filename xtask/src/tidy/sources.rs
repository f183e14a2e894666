//! What every source file keeps to: it says what it is, fits the mind, and names nouns.

use super::TextFile;

/// Most lines of a file without its tests.
const LINES_MAX: usize = 500;

/// A type with such an end to its name does too much, or does not know what it is.
const BANNED_ENDS: &[&str] = &[
    "Manager",
    "Handler",
    "Processor",
    "Helper",
    "Util",
    "Utils",
    "Common",
    "Base",
    "Impl",
    "Data",
    "Info",
    "Wrapper",
];

const NAMING: &[&str] = &["struct ", "enum ", "trait ", "type "];

pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files {
        check_origin(file, &mut breaches);
        if file.path.ends_with(".rs") {
            check_source(file, &mut breaches);
        }
    }
    breaches
}

fn check_source(TextFile { path, text }: &TextFile, breaches: &mut Vec<String>) {
    if !text.starts_with("//!") {
        breaches.push(format!("{path}: the first line is not `//!`: say what the file is for"));
    }
    let lines = production_lines(path, text);
    if lines > LINES_MAX {
        breaches.push(format!("{path} has {lines} lines without tests, more than {LINES_MAX}"));
    }
    for line in text.lines() {
        let Some(name) = declared(line) else { continue };
        if let Some(end) = BANNED_ENDS.iter().find(|end| name.ends_with(**end)) {
            breaches.push(format!("{path}: {name} ends in {end}"));
        }
    }
}

/// Lines before the file's own tests; none of a file that is tests or benches as a whole.
fn production_lines(path: &str, text: &str) -> usize {
    let is_test = path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches"));
    if is_test {
        return 0;
    }
    text.lines().take_while(|line| !matches!(*line, "mod tests {")).count()
}

/// The name that a line declares, if it declares a type. What is indented is inside something else:
/// an associated type has the name that its trait gave it.
fn declared(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.strip_prefix(' ')?,
        None => line,
    };
    let rest = NAMING.iter().find_map(|word| line.strip_prefix(word))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// A file may not tell on whose machine it was written.
fn check_origin(TextFile { path, text }: &TextFile, breaches: &mut Vec<String>) {
    let homes = ["work", "root", "tmp", "home"].map(|dir| format!("/{dir}/"));
    for (number, line) in text.lines().enumerate() {
        for home in &homes {
            let is_path = line.match_indices(home.as_str()).any(|(at, _)| {
                // Inside an URL or a longer path it is a name like any other.
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '}' | '_'))
            });
            if is_path {
                let number = number + 1;
                breaches.push(format!("{path}:{number} names a folder of one machine, {home}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> Vec<String> {
        check(&[TextFile { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn a_file_says_what_it_is_and_fits_the_mind() {
        let long = "//! Long.\n".repeat(501);
        assert_eq!(check_one("a.rs", &long), ["a.rs has 501 lines without tests, more than 500"]);
        assert_eq!(check_one("a/tests.rs", &long), [""; 0]);
        let tested = format!("//! Short.\nmod tests {{\n{long}}}");
        assert_eq!(check_one("a.rs", &tested), [""; 0]);
        let expected = ["a.rs: the first line is not `//!`: say what the file is for"];
        assert_eq!(check_one("a.rs", "// Silent."), expected);
    }

    #[test]
    fn a_doer_is_named() {
        let text = "//! Types.\npub(crate) struct QueryManager<T>;\npub type Info = u8;\n\
            struct DataFusion;\n    type Data = u8;";
        let expected = ["a.rs: QueryManager ends in Manager", "a.rs: Info ends in Info"];
        assert_eq!(check_one("a.rs", text), expected);
    }

    #[test]
    fn a_machines_folder_is_named() {
        let path = ["", "root", "x"].join("/");
        let expected = [format!("a.md:2 names a folder of one machine, {}", &path[..6])];
        assert_eq!(check_one("a.md", &format!("# A\nsee {path}")), expected);
        assert_eq!(check_one("a.md", &format!("# A\nhttps://a.example{path}")), [""; 0]);
    }
}
