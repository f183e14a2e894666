//! What a statement expects: values, a failure, remarks.

use model::Labels;
use regex::Regex;

use super::engine::Grid;
use super::script::word;
use super::sequence::Item;

/// All expectations of a statement.
#[derive(Debug, Default)]
pub struct Expectations {
    /// The series with their values.
    pub series: Vec<ExpectedSeries>,
    /// The only number.
    pub scalar: Option<f64>,
    /// The text.
    pub string: Option<Vec<u8>>,
    /// The times of the values when the result is a range vector.
    pub window: Option<Grid>,
    /// Whether the series must come in the order in which they are written.
    pub is_ordered: bool,
    /// The query must fail, with this text.
    pub fail: Option<Remark>,
    /// Remarks of `expect warn` and `expect no_warn`.
    pub warnings: Remarks,
    /// Remarks of `expect info` and `expect no_info`.
    pub infos: Remarks,
}

/// A series and its values.
#[derive(Debug)]
pub struct ExpectedSeries {
    /// The labels.
    pub labels: Labels,
    /// Its place among the results, from 1.
    pub position: usize,
    /// The values in order of time.
    pub items: Vec<Item>,
}

/// What is expected of remarks of one kind.
#[derive(Debug, Default)]
pub struct Remarks {
    /// Each must be there, and none may be there beside them; nothing is checked when empty.
    pub some: Vec<Remark>,
    /// There must be none.
    pub are_forbidden: bool,
    /// There must be at least one (`eval_warn`, `eval_info`).
    pub are_needed: bool,
}

/// The text of a remark or failure.
#[derive(Debug)]
pub enum Remark {
    /// Any text.
    Any,
    /// This text.
    Exactly(String),
    /// A text in which the pattern occurs.
    Like(Regex),
}

// === impl Expectations ===

impl Expectations {
    /// Adds the expectation behind `expect`.
    pub(super) fn add(&mut self, text: &str) -> Result<(), String> {
        let (kind, text) = word(text).unwrap_or((text, ""));
        let remark = Remark::parse(text)?;
        match kind {
            "ordered" => self.is_ordered = true,
            "fail" if self.fail.is_some() => return Err("two expected failures".to_owned()),
            "fail" => self.fail = Some(remark),
            "warn" => self.warnings.some.push(remark),
            "info" => self.infos.some.push(remark),
            "no_warn" => self.warnings.are_forbidden = true,
            "no_info" => self.infos.are_forbidden = true,
            _ => return Err(format!("not an expectation: {kind}")),
        }
        Ok(())
    }

    /// Whether the expectations contradict each other.
    pub(super) fn check(&self) -> Result<(), String> {
        let contradicts = |remarks: &Remarks| remarks.are_forbidden && !remarks.some.is_empty();
        if contradicts(&self.warnings) || contradicts(&self.infos) {
            return Err("remarks are both expected and forbidden".to_owned());
        }
        Ok(())
    }

    /// Whether the answer cannot be compared with a range query's.
    #[must_use]
    pub const fn is_instant_only(&self) -> bool {
        self.window.is_some() || self.string.is_some()
    }
}

// === impl Remark ===

impl Remark {
    /// `msg: text`, `regex: pattern` or nothing.
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        if let Some(text) = text.strip_prefix("msg:") {
            return Ok(Self::Exactly(text.trim().to_owned()));
        }
        match text.strip_prefix("regex:") {
            Some(pattern) => Self::pattern(pattern.trim()),
            None => Err(format!("neither msg: nor regex: {text}")),
        }
    }

    pub(super) fn pattern(pattern: &str) -> Result<Self, String> {
        Regex::new(pattern).map(Self::Like).map_err(|error| error.to_string())
    }

    /// Whether `text` is as expected.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(expected) => expected == text,
            Self::Like(pattern) => pattern.is_match(text),
        }
    }
}
