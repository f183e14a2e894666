//! The final stage in EXPLAIN.

use std::fmt;

use super::FinalStage;

impl fmt::Display for FinalStage {
    /// One line, operands in parentheses: `sum(merge #0) / series #1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series { fragment, .. } => write!(f, "series #{fragment}"),
            Self::Merge { fragment, op } => write!(f, "merge {} #{fragment}", op.as_str()),
            Self::Vector(_) => f.write_str("vector"),
            Self::Aggregate { op, inner, .. } => write!(f, "{}({inner})", op.as_str()),
            Self::Map { inner, .. } => write!(f, "map({inner})"),
            Self::Binary { op, left, right, .. } => {
                write!(f, "({left}) {} ({right})", op.as_str())
            }
            Self::HistogramQuantile { inner, .. } => write!(f, "histogram_quantile({inner})"),
        }
    }
}
