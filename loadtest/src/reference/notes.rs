//! Warnings and infos. The same text is noted once, at the place where it came up first; only the
//! remark about bucket counts that had to be fixed gathers its occurrences
//! (`util/annotations/annotations.go`).

use promql::ast::Span;
use promql::position::Position;

use super::dates::rfc3339;
use super::number::{general, general_rounded};
use crate::promqltest::engine::Annotation;

/// What was noted so far, in order.
#[derive(Debug, Default)]
pub(super) struct Notes {
    notes: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    is_warning: bool,
    text: String,
    span: Span,
    fixed: Option<Fixed>,
}

/// Bucket counts that had to be raised for a quantile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
    pub(super) difference: f64,
    pub(super) samples: usize,
}

// === impl Notes ===

impl Notes {
    pub(super) fn add(&mut self, is_warning: bool, span: Span, text: String) {
        self.add_note(Note { is_warning, text, span, fixed: None });
    }

    pub(super) fn add_fixed(&mut self, span: Span, text: String, fixed: Fixed) {
        self.add_note(Note { is_warning: false, text, span, fixed: Some(fixed) });
    }

    fn add_note(&mut self, note: Note) {
        let is_same = |it: &&mut Note| it.is_warning == note.is_warning && it.text == note.text;
        match self.notes.iter_mut().find(is_same) {
            None => self.notes.push(note),
            Some(noted) => {
                if let (Some(fixed), Some(more)) = (&mut noted.fixed, note.fixed) {
                    fixed.merge(more);
                }
            }
        }
    }

    /// The remarks as the API shows them.
    pub(super) fn render(self, query: &str) -> Vec<Annotation> {
        let render = |note: Note| {
            let kind = if note.is_warning { "warning" } else { "info" };
            let fixed = note.fixed.map(|fixed| fixed.text()).unwrap_or_default();
            let position = Position::of(query, note.span.start);
            let text = format!("PromQL {kind}: {}{fixed} ({position})", note.text);
            Annotation { is_warning: note.is_warning, text }
        };
        self.notes.into_iter().map(render).collect()
    }
}

// === impl Fixed ===

impl Fixed {
    fn merge(&mut self, more: Self) {
        self.first_ms = self.first_ms.min(more.first_ms);
        self.last_ms = self.last_ms.max(more.last_ms);
        self.lowest = self.lowest.min(more.lowest);
        self.highest = self.highest.max(more.highest);
        self.difference = self.difference.max(more.difference);
        self.samples += more.samples;
    }

    fn text(self) -> String {
        format!(
            ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
            general(self.lowest),
            general(self.highest),
            general_rounded(self.difference, 2),
            self.samples,
            rfc3339(self.first_ms / 1000),
            rfc3339(self.last_ms / 1000),
        )
    }
}

/// ` for metric name "…"`, if there is a name.
pub(super) fn for_metric(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" for metric name {name:?}") }
}

pub(super) fn mixed_types(name: &str) -> String {
    format!("encountered a mix of histograms and floats for metric name {name:?}")
}

pub(super) fn mixed_schemas(name: &str) -> String {
    format!(
        "vector contains a mix of histograms with exponential and custom buckets schemas for \
         metric name {name:?}"
    )
}

pub(super) fn ignored_histograms(name: &str) -> String {
    format!(
        "ignored histograms in a range containing both floats and histograms for metric name \
         {name:?}"
    )
}

pub(super) fn not_a_counter(name: &str) -> String {
    format!("this native histogram metric is not a counter: {name:?}")
}

pub(super) fn not_a_gauge(name: &str) -> String {
    format!("this native histogram metric is not a gauge: {name:?}")
}

/// `operation`: `addition`, `subtraction` or `aggregation`.
pub(super) fn reconciled(operation: &str) -> String {
    format!("mismatched custom buckets were reconciled during {operation}")
}

/// As [`reconciled`].
pub(super) fn conflicting_resets(operation: &str) -> String {
    format!("conflicting counter resets during histogram {operation}")
}

pub(super) fn bad_quantile(quantile: f64) -> String {
    format!("quantile value should be between 0 and 1, got {}", general(quantile))
}
