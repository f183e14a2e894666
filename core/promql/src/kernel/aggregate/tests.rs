//! Aggregations: dense and sparse rows, one partition and several.

use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
use proptest::{collection, prop_assert};

use super::*;

const OPS: [AggregateOp; 8] = [
    AggregateOp::Sum,
    AggregateOp::Avg,
    AggregateOp::Count,
    AggregateOp::Min,
    AggregateOp::Max,
    AggregateOp::Group,
    AggregateOp::Stddev,
    AggregateOp::Stdvar,
];

fn aggregate(op: AggregateOp, rows: &[Vec<f64>]) -> Vec<f64> {
    let steps = rows.first().map_or(0, Vec::len);
    let mut states = GroupStates::new(op, 1, steps).unwrap();
    for row in rows {
        states.add(0, row);
    }
    let mut result = vec![0.0; steps];
    states.finish(0, &mut result);
    result
}

/// The same, with the rows dealt to `partitions` that are merged in order.
fn aggregate_merged(op: AggregateOp, rows: &[Vec<f64>], partitions: usize) -> Vec<f64> {
    let steps = rows.first().map_or(0, Vec::len);
    let mut merged = GroupStates::new(op, 1, steps).unwrap();
    for partition in 0..partitions {
        let mut states = GroupStates::new(op, 1, steps).unwrap();
        for row in rows.iter().skip(partition).step_by(partitions) {
            states.add(0, row);
        }
        if let Some(state) = states.state(0) {
            merged.merge(0, &state).unwrap();
        }
    }
    let mut result = vec![0.0; steps];
    merged.finish(0, &mut result);
    result
}

fn cell(op: AggregateOp, values: &[f64]) -> f64 {
    let rows: Vec<Vec<f64>> = values.iter().map(|value| vec![*value]).collect();
    aggregate(op, &rows)[0]
}

#[test]
fn results_are_those_of_prometheus() {
    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
    for (op, values, expected) in [
        (AggregateOp::Sum, &[1.0, 1e100, 1.0, -1e100][..], 2.0),
        (AggregateOp::Sum, &[INF, 1.0], INF),
        (AggregateOp::Sum, &[INF, -INF], NAN),
        (AggregateOp::Sum, &[f64::MAX, f64::MAX], INF),
        (AggregateOp::Avg, &[1.0, 2.0, 6.0], 3.0),
        (AggregateOp::Avg, &[1e308, 1e308, 1e308], 1e308),
        (AggregateOp::Avg, &[-1e308, -1e308], -1e308),
        (AggregateOp::Avg, &[INF, 1.0], INF),
        (AggregateOp::Avg, &[INF, -INF], NAN),
        (AggregateOp::Count, &[NAN, 1.0], 2.0),
        (AggregateOp::Group, &[7.0, 8.0], 1.0),
        (AggregateOp::Min, &[NAN, 2.0, 1.0], 1.0),
        (AggregateOp::Max, &[2.0, NAN, 1.0], 2.0),
        (AggregateOp::Min, &[NAN, NAN], NAN),
        (AggregateOp::Stdvar, &[10.0, 20.0], 25.0),
        (AggregateOp::Stddev, &[10.0, 20.0], 5.0),
        (AggregateOp::Stddev, &[INF], NAN),
        (AggregateOp::Stdvar, &[1.0, NAN, 1.0], NAN),
        (AggregateOp::Stdvar, &[4.0], 0.0),
    ] {
        let got = cell(op, values);
        assert!(got == expected || got.is_nan() && expected.is_nan(), "{op:?} {values:?}: {got}");
    }
}

#[test]
fn a_step_without_series_is_absent() {
    for op in OPS {
        let result = aggregate(op, &[vec![1.0, ABSENT], vec![ABSENT, ABSENT]]);
        assert!(!is_absent(result[0]) && is_absent(result[1]), "{op:?}");
    }
}

#[test]
fn groups_do_not_touch_each_other() {
    let mut states = GroupStates::new(AggregateOp::Sum, 3, 2).unwrap();
    states.add(1, &[1.0, 2.0]);
    states.add(2, &[3.0, ABSENT]);
    states.add(1, &[10.0, 20.0]);
    assert!(states.state(0).is_none());
    let mut row = [0.0; 2];
    states.finish(1, &mut row);
    assert_eq!(row, [11.0, 22.0]);
    states.finish(2, &mut row);
    assert!(row[0] == 3.0 && is_absent(row[1]));
}

#[test]
fn averages_that_overflow_merge() {
    let rows = vec![vec![1e308]; 7];
    for partitions in 1..=7 {
        let average = aggregate_merged(AggregateOp::Avg, &rows, partitions)[0];
        assert!((average - 1e308).abs() <= 1e308 * 1e-12, "{partitions}: {average}");
    }
}

#[test]
fn a_state_of_another_operator_is_refused() {
    let mut states = GroupStates::new(AggregateOp::Avg, 1, 1).unwrap();
    let error = states.merge(0, &[&[1.0]]).unwrap_err().to_string();
    assert_eq!(error, "state of avg has 1 parts instead of 3");
}

fn row(steps: usize) -> impl Strategy<Value = Vec<f64>> {
    let sparse = prop_oneof![4 => -1e6_f64..1e6, 1 => Just(ABSENT), 1 => Just(f64::NAN)];
    prop_oneof![collection::vec(-1e6_f64..1e6, steps), collection::vec(sparse, steps),]
}

/// One step of one group, naively.
fn naive(op: AggregateOp, values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.is_empty() {
        return ABSENT;
    }
    let sum = || values.iter().sum::<f64>();
    let variance = || {
        let mean = sum() / n;
        values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n
    };
    match op {
        AggregateOp::Sum => sum(),
        AggregateOp::Avg => sum() / n,
        AggregateOp::Count => n,
        AggregateOp::Min => values.iter().copied().fold(f64::NAN, f64::min),
        AggregateOp::Max => values.iter().copied().fold(f64::NAN, f64::max),
        AggregateOp::Stdvar => variance(),
        AggregateOp::Stddev => variance().sqrt(),
        _ => 1.0,
    }
}

proptest! {
    #[test]
    fn any_mix_of_rows_and_partitions_agrees_with_the_naive_result(
        rows in collection::vec(row(7), 1..12),
        partitions in 1_usize..4,
    ) {
        for op in OPS {
            let (alone, merged) = (aggregate(op, &rows), aggregate_merged(op, &rows, partitions));
            for step in 0..7 {
                let column: Vec<f64> =
                    rows.iter().map(|row| row[step]).filter(|cell| !is_absent(*cell)).collect();
                let expected = naive(op, &column);
                for got in [alone[step], merged[step]] {
                    let is_same = is_absent(got) == is_absent(expected)
                        && (got.is_nan() && expected.is_nan()
                            || (got - expected).abs() <= 1e-9 * expected.abs().max(1e6));
                    prop_assert!(is_same, "{op:?} {column:?}: {got}, expected {expected}");
                }
            }
        }
    }
}
