//! `limit`: how many entries an answer has at most.

use model::Failure;

use super::bad_parameter;
use super::form::Form;

/// What the user is told when there was more.
const TRUNCATED: &str = "results truncated due to limit";

/// The `limit` of a request; 0 for none.
pub(super) fn limit_of(form: &Form) -> Result<usize, Failure> {
    let text = form.first("limit");
    if text.is_empty() {
        return Ok(0);
    }
    let limit = read_integer(text).map_err(|why| bad_parameter("limit", why))?;
    usize::try_from(limit).map_err(|_| bad_parameter("limit", "limit must be non-negative"))
}

/// Reads an integer, complaining as Go's `strconv.Atoi`.
pub(super) fn read_integer(text: &str) -> Result<i64, String> {
    text.parse::<i64>().map_err(|error| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let why = match error.kind() {
            PosOverflow | NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {text:?}: {why}")
    })
}

/// The limit by which one entry more is asked for, so that it shows whether there is more.
pub(super) const fn one_more(limit: usize) -> usize {
    if limit == 0 { 0 } else { limit.saturating_add(1) }
}

/// Cuts `entries` down to `limit` and returns what has to be said about it.
pub(super) fn truncate<T>(entries: &mut Vec<T>, limit: usize) -> &'static [&'static str] {
    if limit == 0 || entries.len() <= limit {
        return &[];
    }
    entries.truncate(limit);
    warning()
}

/// The warning of an answer that was cut.
pub(super) const fn warning() -> &'static [&'static str] {
    &[TRUNCATED]
}
