//! What every source file keeps to: it says what it is, fits the mind, and names nouns.

use super::TextFile;

/// Most lines of a file without its tests.
const FILE_LINES_MAX: usize = 500;

/// Most lines of a function, without comments and empty ones.
const FUNCTION_LINES_MAX: usize = 70;

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

/// Paths of the checkout that cargo tells at run time too. Checkouts share what is built, so a
/// program that was compiled with one may belong to another checkout, or to one that is gone.
const COMPILED_PATHS: &[&str] = &["CARGO_BIN_EXE_", "CARGO_MANIFEST_DIR"];

/// What may stand before `fn`.
const QUALIFIERS: &[&str] = &["pub", "const", "async", "unsafe", "extern"];

pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files {
        check_origin(file, &mut breaches);
        if file.path.ends_with(".rs") {
            check_source(file, &mut breaches);
            check_functions(file, &mut breaches);
        }
    }
    breaches
}

fn check_source(file: &TextFile, breaches: &mut Vec<String>) {
    let TextFile { path, text } = file;
    if !text.starts_with("//!") {
        breaches.push(format!("{path}:1: the first line is not `//!`; say what the file is for"));
    }
    let lines = production(file).count();
    if lines > FILE_LINES_MAX {
        breaches.push(format!(
            "{path}:{lines}: {lines} lines without tests, more than {FILE_LINES_MAX}; find the \
             noun that is hidden in it and give that a file"
        ));
    }
    for (number, line) in text.lines().enumerate() {
        let compiled = |name: &&&str| line.contains(&["env!(\"", name].concat());
        if let Some(name) = COMPILED_PATHS.iter().find(compiled) {
            let number = number + 1;
            breaches.push(format!(
                "{path}:{number}: {name} is compiled in, and checkouts share what is built; ask \
                 std::env::var_os"
            ));
        }
        let Some(name) = declared(line) else { continue };
        if let Some(end) = BANNED_ENDS.iter().find(|end| name.ends_with(**end)) {
            let number = number + 1;
            breaches.push(format!(
                "{path}:{number}: {name} ends in {end}; name what it is, not that it does something"
            ));
        }
    }
}

/// Whether a file is made of tests or measurements as a whole.
pub(super) fn is_test(path: &str) -> bool {
    let is_test_dir = |part| matches!(part, "tests" | "tests.rs" | "benches" | "bench.rs");
    path.split('/').any(is_test_dir)
}

/// The lines before the file's own tests; none of a file that is tests as a whole.
pub(super) fn production(TextFile { path, text }: &TextFile) -> impl Iterator<Item = &str> {
    let lines = if is_test(path) { "" } else { text.as_str() };
    lines.lines().take_while(|line| !matches!(*line, "mod tests {"))
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

/// Tests too: a test that does not fit the screen is read by nobody.
fn check_functions(TextFile { path, text }: &TextFile, breaches: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let length = body_lines(&lines[at..]);
        if length > FUNCTION_LINES_MAX {
            let number = at + 1;
            breaches.push(format!(
                "{path}:{number}: fn {name} has {length} lines, more than {FUNCTION_LINES_MAX}; \
                 give its steps names of their own"
            ));
        }
    }
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let is_qualifier = |word: &&str| {
        let word = word.split_once('(').map_or(*word, |(word, _)| word);
        QUALIFIERS.contains(&word) || word.starts_with('"')
    };
    let word = words.find(|word| !is_qualifier(word))?;
    let name = words.next().filter(|_| word == "fn")?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Lines of code in the body of the function that begins on the first line. Formatted code closes a
/// body with a brace in the column where its function begins.
fn body_lines(lines: &[&str]) -> usize {
    let ends_signature = |line: &&&str| line.ends_with(['{', '}', ';']);
    let Some(open) = lines.iter().position(|line| ends_signature(&line)) else { return 0 };
    if !lines[open].ends_with('{') {
        return 0;
    }
    let indent = lines[0].len() - lines[0].trim_start().len();
    let closes = |line: &str| line.len() == indent + 1 && line.ends_with('}');
    let body = lines[open + 1..].iter().take_while(|line| !closes(line));
    body.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count()
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
                breaches.push(format!(
                    "{path}:{number}: {home} is a folder of one machine; name one that all have"
                ));
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
        let breaches = check_one("a.rs", &long);
        assert!(breaches[0].starts_with("a.rs:501: 501 lines without tests, more than 500"));
        assert_eq!(check_one("a/tests.rs", &long), [""; 0]);
        let tested = format!("//! Short.\nmod tests {{\n{long}}}");
        assert_eq!(check_one("a.rs", &tested), [""; 0]);
        let expected = ["a.rs:1: the first line is not `//!`; say what the file is for"];
        assert_eq!(check_one("a.rs", "// Silent."), expected);
    }

    #[test]
    fn a_function_fits_the_screen() {
        let check_body = |signature: &str, line: &str, lines: usize| {
            let body = line.repeat(lines);
            check_one("a.rs", &format!("//! A.\nimpl A {{\n    {signature} {{\n{body}    }}\n}}\n"))
        };
        let expected =
            ["a.rs:3: fn run has 71 lines, more than 70; give its steps names of their \
             own"];
        assert_eq!(check_body("fn run()", "        a();\n", 71), expected);
        assert_eq!(check_body("pub(crate) async fn run<T>()", "        a();\n", 71), expected);
        let wrapped = "fn run(\n        a: u8,\n    ) -> u8";
        assert_eq!(check_body(wrapped, "        a();\n", 71), expected);
        assert_eq!(check_body("fn run()", "        a();\n", 70), [""; 0]);
        assert_eq!(check_body("fn run()", "        // Why.\n\n", 71), [""; 0]);
        let one_line = "//! A.\nfn a() -> u8 { 1 }\n";
        assert_eq!(check_one("a.rs", &format!("{one_line}{}", "a!();\n".repeat(99))), [""; 0]);
    }

    #[test]
    fn a_doer_is_named() {
        let text = "//! Types.\npub(crate) struct QueryManager<T>;\npub type Info = u8;\n\
            struct DataFusion;\n    type Data = u8;";
        let breaches = check_one("a.rs", text);
        assert!(breaches[0].starts_with("a.rs:2: QueryManager ends in Manager; "), "{breaches:?}");
        assert!(breaches[1].starts_with("a.rs:3: Info ends in Info; "), "{breaches:?}");
        assert_eq!(breaches.len(), 2);
    }

    #[test]
    fn a_path_is_not_compiled_in() {
        let text = ["//! A.\nlet program = env!", "(\"CARGO_BIN_EXE_varve\");"].concat();
        let expected = ["a.rs:2: CARGO_BIN_EXE_ is compiled in, and checkouts share what is \
            built; ask std::env::var_os"];
        assert_eq!(check_one("a.rs", &text), expected);
        let text = text.replace("env!(", "std::env::var_os(");
        assert_eq!(check_one("a.rs", &text), [""; 0]);
    }

    #[test]
    fn a_machines_folder_is_named() {
        let path = ["", "root", "x"].join("/");
        let home = &path[..6];
        let expected =
            [format!("a.md:2: {home} is a folder of one machine; name one that all have")];
        assert_eq!(check_one("a.md", &format!("# A\nsee {path}")), expected);
        assert_eq!(check_one("a.md", &format!("# A\nhttps://a.example{path}")), [""; 0]);
    }
}
