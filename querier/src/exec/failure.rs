//! Our failures through DataFusion's error type and back, so that no text of ours is lost in its.

use datafusion::error::DataFusionError;
use model::{Failure, FailureKind};
use promql::op::OpError;

/// Wraps an operator's error for a stream of DataFusion.
pub(super) fn to_datafusion(error: OpError) -> DataFusionError {
    DataFusionError::External(Box::new(error.failure))
}

/// What the user is told about an error of DataFusion: our own failure, if it is one inside.
pub(crate) fn from_datafusion(error: &DataFusionError) -> Failure {
    match error.find_root() {
        DataFusionError::External(inner) if inner.is::<Failure>() => {
            inner.downcast_ref::<Failure>().cloned().expect("the guard has looked at the type")
        }
        other => Failure::new(
            FailureKind::Internal,
            "err-varve-datafusion",
            format!("query runtime failed: {other}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_come_back_as_they_went() {
        let failure = Failure::new(FailureKind::Execution, "err-varve-test", "no");
        let wrapped = to_datafusion(OpError::from(failure.clone())).context("while reading");
        assert_eq!(from_datafusion(&wrapped), failure);
        let foreign = DataFusionError::Internal("odd".to_owned());
        assert_eq!(from_datafusion(&foreign).kind, FailureKind::Internal);
    }
}
