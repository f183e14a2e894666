//! Text → commands. Line based: `#` begins a comment line, which is as good as a blank one, and a
//! blank line ends a block.

use model::TimestampMs;

use super::engine::{Grid, Series};
use super::expect::Expectations;
use super::{block, load};

/// A parsed script.
#[derive(Debug)]
pub struct Script {
    /// Its commands in order.
    pub commands: Vec<Command>,
    /// How many lines of the text begin with `eval`, counted apart from parsing.
    pub evals: usize,
}

/// One command of a script.
#[derive(Debug)]
pub enum Command {
    /// `clear`
    Clear,
    /// `load`: series with their samples.
    Load(Vec<Series>),
    /// `eval`
    Eval(Box<Eval>),
}

/// An `eval` statement.
#[derive(Debug)]
pub struct Eval {
    /// Its line, from 1.
    pub line: usize,
    /// The expression.
    pub query: String,
    /// When it is evaluated.
    pub when: When,
    /// What must come of it.
    pub expected: Expectations,
}

/// When an expression is evaluated.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// At one time.
    Instant(TimestampMs),
    /// At many.
    Range(Grid),
}

/// A script that is not one.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The lines of a script, with a place among them.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

/// Parses a script.
///
/// # Errors
/// When a line is not of the language.
pub fn parse(text: &str) -> Result<Script, ScriptError> {
    let mut lines = Lines::new(text);
    let mut commands = Vec::new();
    let mut evals = 0;
    while let Some((line, text)) = lines.next_command() {
        let parsed = match text.split_whitespace().next().unwrap_or_default() {
            "clear" => Ok(Command::Clear),
            word if word.starts_with("load") => load::parse(text, &mut lines).map(Command::Load),
            word if word.starts_with("eval") => {
                evals += 1;
                block::parse(line, text, &mut lines).map(|eval| Command::Eval(Box::new(eval)))
            }
            _ => Err(format!("not a command: {text}")),
        };
        commands.push(parsed.map_err(|reason| ScriptError { line: lines.next, reason })?);
    }
    let counted = text.lines().filter(|line| line.trim_start().starts_with("eval")).count();
    debug_assert!(evals <= counted, "each eval statement has its line");
    Ok(Script { commands, evals: counted })
}

// === impl Lines ===

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let without_comment = |line: &'a str| {
            let line = line.trim();
            if line.starts_with('#') { "" } else { line }
        };
        Self { lines: text.lines().map(without_comment).collect(), next: 0 }
    }

    /// The next line that is not blank, with its number from 1.
    fn next_command(&mut self) -> Option<(usize, &'a str)> {
        while let Some(line) = self.lines.get(self.next) {
            self.next += 1;
            if !line.is_empty() {
                return Some((self.next, line));
            }
        }
        None
    }

    /// The next line of the current block; `None` at its end.
    pub(super) fn next_in_block(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.next).filter(|line| !line.is_empty())?;
        self.next += 1;
        Some(line)
    }
}

/// Splits off the first word.
pub(super) fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let (word, rest) = text.split_once(char::is_whitespace)?;
    Some((word, rest.trim_start()))
}

/// A duration in milliseconds; scripts count time from 0.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    model::time::parse_duration_ms(text).map_err(|error| error.to_string())
}
