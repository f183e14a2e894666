//! A plan as text: one line a fragment, then the final stage.

use std::fmt;

use promql::ast::Grouping;
use promql::fragment::{Fragment, MapStep, PartialAggregate, ScalarOperand, Window};

use super::Plan;

/// A fragment as one line.
pub(crate) struct FragmentLine<'a>(pub(crate) &'a Fragment);

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => {
                f.write_str("scalar ")?;
                write_scalar(f, scalar)
            }
            Self::Text(text) => write!(f, "text {text:?}"),
            Self::Samples(fragment) => write!(f, "samples {}", FragmentLine(fragment)),
            Self::Vector { fragments, stage } => {
                for (number, fragment) in fragments.iter().enumerate() {
                    writeln!(f, "#{number} {}", FragmentLine(fragment))?;
                }
                write!(f, "stage {stage}")
            }
        }
    }
}

impl fmt::Display for FragmentLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fragment = self.0;
        f.write_str("{")?;
        for (i, matcher) in fragment.selector.matchers.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            write!(f, "{separator}{matcher}")?;
        }
        f.write_str("}")?;
        match &fragment.window {
            Window::Instant { lookback_ms } => write!(f, " instant {lookback_ms}ms")?,
            Window::Range { function, range_ms } => write!(f, " {function:?} {range_ms}ms")?,
            Window::Samples { range_ms } => write!(f, " samples {range_ms}ms")?,
        }
        if fragment.selector.offset_ms != 0 {
            write!(f, " offset {}ms", fragment.selector.offset_ms)?;
        }
        for map in &fragment.maps {
            f.write_str(" | ")?;
            write_map(f, map)?;
        }
        match &fragment.aggregate {
            Some(aggregate) => write_aggregate(f, aggregate),
            None => Ok(()),
        }
    }
}

fn write_map(f: &mut fmt::Formatter<'_>, map: &MapStep) -> fmt::Result {
    match map {
        MapStep::Scalar { op, operand, series_on_left, is_bool } => {
            let bool_word = if *is_bool { " bool" } else { "" };
            if *series_on_left {
                write!(f, "series {}{bool_word} ", op.as_str())?;
                write_scalar(f, operand)
            } else {
                write_scalar(f, operand)?;
                write!(f, " {}{bool_word} series", op.as_str())
            }
        }
        MapStep::Negate => f.write_str("-series"),
        MapStep::DropName => f.write_str("drop name"),
    }
}

fn write_aggregate(f: &mut fmt::Formatter<'_>, aggregate: &PartialAggregate) -> fmt::Result {
    let Grouping { is_without, labels } = &aggregate.grouping;
    let word = if *is_without { "without" } else { "by" };
    write!(f, " | partial {} {word} ({})", aggregate.op.as_str(), labels.join(", "))
}

fn write_scalar(f: &mut fmt::Formatter<'_>, scalar: &ScalarOperand) -> fmt::Result {
    match scalar {
        ScalarOperand::Constant(value) => write!(f, "{value}"),
        ScalarOperand::PerStep(values) => write!(f, "[{} steps]", values.len()),
    }
}
