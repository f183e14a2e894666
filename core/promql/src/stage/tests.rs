//! Final stages over fragments that ran on one or several partitions.

use super::*;
use crate::fragment::{RangeFunction, Window};
use crate::testing::{MemorySource, Sent, Series, finish, fragment, labels, partial, run};

const SAME_LABELS: &str = "vector cannot contain metrics with the same labelset";
const INSTANT: Window = Window::Instant { lookback_ms: 300_000 };

/// A series with a sample at each step of [`grid`]; `None` leaves one out.
fn series(pairs: &[(&str, &str)], values: &[Option<f64>]) -> Series {
    let at = |(i, value): (usize, &Option<f64>)| value.map(|v| (grid().at(i), v));
    (labels(pairs), values.iter().enumerate().filter_map(at).collect())
}

fn grid() -> Grid {
    Grid { start_ms: 1_000_000, step_ms: 300_000, steps: 2 }
}

fn select(partitions: &[Vec<Series>]) -> Vec<Sent> {
    let fragment = fragment(grid(), INSTANT, vec![]);
    partitions.iter().map(|p| run(&fragment, &MemorySource(p.clone())).unwrap()).collect()
}

fn leaf(fragment: usize) -> Box<FinalStage> {
    Box::new(FinalStage::Series { fragment, duplicates: Duplicates::None })
}

fn on(names: &[&str]) -> Matching {
    let labels = names.iter().map(|name| (*name).to_owned()).collect();
    Matching { is_on: true, labels, ..Matching::default() }
}

fn binary(op: BinaryOp, is_bool: bool, matching: Matching) -> FinalStage {
    FinalStage::Binary { op, is_bool, matching, left: leaf(0), right: leaf(1) }
}

fn join(stage: &FinalStage, left: &[Series], right: &[Series]) -> Result<Vec<String>, OpError> {
    finish(stage, grid(), &[select(&[left.to_vec()]), select(&[right.to_vec()])])
}

#[test]
fn partitions_become_one_roster() {
    let sent = select(&[
        vec![series(&[("a", "1")], &[Some(1.0), Some(2.0)])],
        vec![],
        vec![series(&[("a", "2")], &[Some(3.0), None])],
    ]);
    let lines = finish(&leaf(0), grid(), &[sent]).unwrap();
    assert_eq!(lines, [r#"{a="1"} 1 2"#, r#"{a="2"} 3 _"#]);
}

#[test]
fn partial_states_of_all_partitions_merge_by_labels() {
    let partitions = [
        vec![
            series(&[("a", "1"), ("b", "1")], &[Some(1.0), Some(2.0)]),
            series(&[("a", "2"), ("b", "1")], &[Some(5.0), None]),
        ],
        vec![series(&[("a", "1"), ("b", "2")], &[Some(10.0), None])],
    ];
    for (op, expected) in [
        (AggregateOp::Sum, [r#"{a="1"} 11 2"#, r#"{a="2"} 5 _"#]),
        (AggregateOp::Avg, [r#"{a="1"} 5.5 2"#, r#"{a="2"} 5 _"#]),
        (AggregateOp::Count, [r#"{a="1"} 2 1"#, r#"{a="2"} 1 _"#]),
        (AggregateOp::Max, [r#"{a="1"} 10 2"#, r#"{a="2"} 5 _"#]),
        (AggregateOp::Stddev, [r#"{a="1"} 4.5 0"#, r#"{a="2"} 0 _"#]),
        (AggregateOp::Group, [r#"{a="1"} 1 1"#, r#"{a="2"} 1 _"#]),
    ] {
        let mut fragment = fragment(grid(), INSTANT, vec![]);
        fragment.aggregate = Some(partial(op, false, &["a"]));
        let sent: Vec<Sent> =
            partitions.iter().map(|p| run(&fragment, &MemorySource(p.clone())).unwrap()).collect();
        let stage = FinalStage::of_fragment(0, &fragment);
        assert_eq!(finish(&stage, grid(), &[sent]).unwrap(), expected, "{op:?}");
        // The same, aggregated here.
        let grouping = partial(op, false, &["a"]).grouping;
        let stage = FinalStage::Aggregate { op, grouping, inner: leaf(0) };
        assert_eq!(finish(&stage, grid(), &[select(&partitions)]).unwrap(), expected, "{op:?}");
    }
}

#[test]
fn an_aggregation_over_nothing_is_nothing() {
    let stage = FinalStage::Aggregate {
        op: AggregateOp::Sum,
        grouping: Grouping::default(),
        inner: leaf(0),
    };
    assert!(finish(&stage, grid(), &[vec![]]).unwrap().is_empty());
    assert!(finish(&stage, grid(), &[select(&[vec![], vec![]])]).unwrap().is_empty());
}

#[test]
fn a_scalar_becomes_a_vector() {
    let time = ScalarOperand::PerStep(Arc::from([1.0, 2.0]));
    let negated =
        FinalStage::Map { step: MapStep::Negate, inner: Box::new(FinalStage::Vector(time)) };
    assert_eq!(finish(&negated, grid(), &[]).unwrap(), ["{} -1 -2"]);
}

#[test]
fn series_meet_one_to_one() {
    let left = [
        series(&[("__name__", "m"), ("a", "1")], &[Some(10.0), Some(20.0)]),
        series(&[("__name__", "m"), ("a", "2")], &[Some(30.0), None]),
        series(&[("__name__", "m"), ("a", "3")], &[Some(1.0), Some(1.0)]),
    ];
    let right = [
        series(&[("__name__", "n"), ("a", "2")], &[Some(3.0), Some(4.0)]),
        series(&[("__name__", "n"), ("a", "1")], &[Some(10.0), Some(5.0)]),
    ];
    let lines = join(&binary(BinaryOp::Div, false, Matching::default()), &left, &right).unwrap();
    assert_eq!(lines, [r#"{a="1"} 1 4"#, r#"{a="2"} 10 _"#]);
    let lines = join(&binary(BinaryOp::Gtr, false, Matching::default()), &left, &right).unwrap();
    assert_eq!(lines, [r#"{__name__="m", a="1"} _ 20"#, r#"{__name__="m", a="2"} 30 _"#]);
    let lines = join(&binary(BinaryOp::Gtr, true, Matching::default()), &left, &right).unwrap();
    assert_eq!(lines, [r#"{a="1"} 0 1"#, r#"{a="2"} 1 _"#]);
    let lines = join(&binary(BinaryOp::Gtr, false, on(&["a"])), &left, &right).unwrap();
    assert_eq!(lines, [r#"{a="1"} _ 20"#, r#"{a="2"} 30 _"#]);
}

#[test]
fn duplicates_on_the_right_are_an_error_only_where_they_meet() {
    let left = [series(&[("__name__", "m"), ("a", "1")], &[Some(10.0), Some(20.0)])];
    let apart = [
        series(&[("__name__", "n"), ("a", "1"), ("x", "1")], &[Some(1.0), None]),
        series(&[("__name__", "n"), ("a", "1"), ("x", "2")], &[None, Some(2.0)]),
    ];
    // The first series' sample is within the lookback of the second step unless it is ended.
    let mut ended = apart.clone();
    ended[0].1.push((grid().at(1) - 1, model::sample::stale_nan()));
    let stage = binary(BinaryOp::Add, false, on(&["a"]));
    assert_eq!(join(&stage, &left, &ended).unwrap(), [r#"{a="1"} 11 22"#]);

    let mut both = ended.clone();
    both[1].1.insert(0, (grid().at(0), 5.0));
    let error = join(&stage, &left, &both).unwrap_err().to_string();
    assert_eq!(
        error,
        "found duplicate series for the match group {a=\"1\"} on the right hand-side of the \
         operation: [{__name__=\"n\", a=\"1\", x=\"2\"}, {__name__=\"n\", a=\"1\", x=\"1\"}];\
         many-to-many matching not allowed: matching labels must be unique on one side"
    );
    // At a step where the left operand is empty, nothing is matched and nothing is wrong.
    let late = [series(&[("__name__", "m"), ("a", "1")], &[None, Some(20.0)])];
    assert_eq!(join(&stage, &late, &both).unwrap(), [r#"{a="1"} _ 22"#]);
}

#[test]
fn several_on_the_left_are_an_error_only_where_they_meet() {
    let right = [series(&[("a", "1")], &[Some(1.0), Some(2.0)])];
    let left = |second: Option<f64>| {
        let mut first = series(&[("a", "1"), ("x", "1")], &[Some(10.0), None]);
        first.1.push((grid().at(1) - 1, model::sample::stale_nan()));
        [first, series(&[("a", "1"), ("x", "2")], &[second, Some(20.0)])]
    };
    let stage = binary(BinaryOp::Add, false, on(&["a"]));
    assert_eq!(join(&stage, &left(None), &right).unwrap(), [r#"{a="1"} 11 22"#]);
    let error = join(&stage, &left(Some(1.0)), &right).unwrap_err().to_string();
    assert_eq!(
        error,
        "multiple matches for labels: many-to-one matching must be explicit \
         (group_left/group_right)"
    );
}

#[test]
fn equal_labels_after_dropping_names() {
    let series = [
        series(&[("__name__", "m"), ("a", "1")], &[Some(1.0), None]),
        series(&[("__name__", "n"), ("a", "1")], &[None, Some(2.0)]),
    ];
    let mut apart = series.clone();
    apart[0].1.push((grid().at(1) - 1, model::sample::stale_nan()));
    let add = MapStep::Scalar {
        op: BinaryOp::Add,
        operand: ScalarOperand::Constant(1.0),
        series_on_left: true,
        is_bool: false,
    };
    let concat = |window: Window, maps: Vec<MapStep>, series: &[Series]| {
        let fragment = fragment(grid(), window, maps);
        let stage = FinalStage::of_fragment(0, &fragment);
        // Each in its own partition.
        let sent = series.iter().map(|s| run(&fragment, &MemorySource(vec![s.clone()])));
        finish(&stage, grid(), &[sent.collect::<Result<_, _>>()?])
    };
    assert_eq!(concat(INSTANT, vec![add.clone()], &apart).unwrap(), [r#"{a="1"} 2 3"#]);
    let mut both = apart.clone();
    both[1].1.insert(0, (grid().at(0), 7.0));
    assert_eq!(concat(INSTANT, vec![add], &both).unwrap_err().to_string(), SAME_LABELS);
    let count = Window::Range { function: RangeFunction::CountOverTime, range_ms: 300_000 };
    assert_eq!(concat(count, vec![], &apart).unwrap_err().to_string(), SAME_LABELS);
    let negated = concat(INSTANT, vec![MapStep::Negate], &apart);
    assert_eq!(negated.unwrap_err().to_string(), SAME_LABELS);
}

#[test]
fn quantiles_of_classic_histograms() {
    let bucket = |le: &str, counts: [f64; 2]| {
        series(&[("__name__", "h_bucket"), ("a", "1"), ("le", le)], &counts.map(Some))
    };
    let sent = select(&[
        vec![bucket("+Inf", [4.0, 0.0]), bucket("0.1", [1.0, 0.0])],
        vec![bucket("1", [3.0, 0.0]), bucket("broken", [9.0, 9.0])],
    ]);
    let stage = FinalStage::HistogramQuantile {
        phi: ScalarOperand::PerStep(Arc::from([0.5, 0.5])),
        inner: leaf(0),
    };
    assert_eq!(finish(&stage, grid(), &[sent]).unwrap(), [r#"{a="1"} 0.55 NaN"#]);
}

#[test]
fn stages_nest() {
    let left = [
        series(&[("__name__", "m"), ("a", "1"), ("b", "1")], &[Some(1.0), Some(2.0)]),
        series(&[("__name__", "m"), ("a", "1"), ("b", "2")], &[Some(3.0), Some(4.0)]),
    ];
    let right = [series(&[("a", "1")], &[Some(2.0), Some(3.0)])];
    let sum = FinalStage::Aggregate {
        op: AggregateOp::Sum,
        grouping: Grouping { is_without: false, labels: vec!["a".to_owned()] },
        inner: leaf(0),
    };
    let quotient = FinalStage::Binary {
        op: BinaryOp::Div,
        is_bool: false,
        matching: Matching::default(),
        left: Box::new(sum),
        right: leaf(1),
    };
    assert_eq!(quotient.to_string(), "(sum(series #0)) / (series #1)");
    assert_eq!(join(&quotient, &left, &right).unwrap(), [r#"{a="1"} 2 2"#]);
}

#[test]
fn more_rows_than_a_tile_holds() {
    let many: Vec<Series> = (0..20_000)
        .map(|i| series(&[("i", format!("{i:05}").as_str())], &[Some(f64::from(i)), None]))
        .collect();
    let lines = finish(&leaf(0), grid(), &[select(&[many])]).unwrap();
    assert_eq!((lines.len(), lines[19_999].as_str()), (20_000, r#"{i="19999"} 19999 _"#));
}
