//! Fragments over series in memory: what is sent, not how.

use super::*;
use crate::ast::{AggregateOp, BinaryOp};
use crate::fragment::{MapStep, RangeFunction, ScalarOperand};
use crate::grid::Grid;
use crate::testing::{Ledger, MemorySource, Sent, fragment, labels, partial, run};
use crate::tile::{ABSENT, SamplesView, TileView};

fn source() -> MemorySource {
    let line = |slope: f64| (0..=20).map(|i| (i * 15_000, slope * i as f64)).collect::<Vec<_>>();
    MemorySource(vec![
        (labels(&[("__name__", "m"), ("a", "1"), ("b", "1")]), line(1.0)),
        (labels(&[("__name__", "m"), ("a", "1"), ("b", "2")]), line(2.0)),
        (labels(&[("__name__", "m"), ("a", "2"), ("b", "3")]), line(3.0)),
        (labels(&[("__name__", "old"), ("a", "3")]), vec![(-900_000, 1.0)]),
    ])
}

fn rows(sent: &Sent, steps: usize) -> Vec<(String, Vec<f64>)> {
    let mut rows = vec![];
    for tile in &sent.tiles {
        let view = TileView::new(tile, steps).unwrap();
        for (i, series) in view.series().iter().enumerate() {
            let labels = sent.roster.series[*series as usize].to_string();
            rows.push((labels, view.row(i).to_vec()));
        }
    }
    rows
}

const INSTANT: Window = Window::Instant { lookback_ms: 300_000 };

fn rate() -> Window {
    Window::Range { function: RangeFunction::Rate, range_ms: 60_000 }
}

#[test]
fn an_instant_selector_keeps_names_and_leaves_out_what_has_no_value() {
    let grid = Grid::range(30_000, 60_000, 30_000);
    let sent = run(&fragment(grid, INSTANT, vec![]), &source()).unwrap();
    assert_eq!(sent.roster.len(), 4);
    assert_eq!(
        rows(&sent, 2),
        [
            (r#"{__name__="m", a="1", b="1"}"#.to_owned(), vec![2.0, 4.0]),
            (r#"{__name__="m", a="1", b="2"}"#.to_owned(), vec![4.0, 8.0]),
            (r#"{__name__="m", a="2", b="3"}"#.to_owned(), vec![6.0, 12.0]),
        ]
    );
}

#[test]
fn functions_and_arithmetic_drop_the_name_and_filters_do_not() {
    let map = |op, is_bool| MapStep::Scalar {
        op,
        operand: ScalarOperand::Constant(5.0),
        series_on_left: true,
        is_bool,
    };
    let grid = Grid::instant(60_000);
    let first = |window: Window, maps: Vec<MapStep>| {
        rows(&run(&fragment(grid, window, maps), &source()).unwrap(), 1).swap_remove(0)
    };
    let named = || r#"{__name__="m", a="1", b="2"}"#.to_owned();
    let bare = || r#"{a="1", b="1"}"#.to_owned();
    assert_eq!(first(INSTANT, vec![map(BinaryOp::Gtr, false)]), (named(), vec![8.0]));
    assert_eq!(first(INSTANT, vec![map(BinaryOp::Gtr, true)]), (bare(), vec![0.0]));
    assert_eq!(first(INSTANT, vec![map(BinaryOp::Add, false)]), (bare(), vec![9.0]));
    assert_eq!(first(INSTANT, vec![MapStep::Negate]), (bare(), vec![-4.0]));
    assert_eq!(first(rate(), vec![]).0, bare());
    let last = Window::Range { function: RangeFunction::LastOverTime, range_ms: 60_000 };
    assert_eq!(first(last, vec![]).0, r#"{__name__="m", a="1", b="1"}"#);
}

#[test]
fn an_aggregation_sends_states_of_groups() {
    let grid = Grid::range(60_000, 300_000, 120_000);
    let mut fragment = fragment(grid, rate(), vec![]);
    fragment.aggregate = Some(partial(AggregateOp::Sum, false, &["a"]));
    let sent = run(&fragment, &source()).unwrap();
    let groups: Vec<String> = sent.roster.series.iter().map(ToString::to_string).collect();
    assert_eq!(groups, [r#"{a="1"}"#, r#"{a="2"}"#, r#"{a="3"}"#]);
    let view = TileView::new(&sent.tiles[0], 3).unwrap();
    assert_eq!(view.series(), [0, 1], "a group without values sends nothing");
    assert_eq!(view.parts(0).len(), 2);
    assert!(view.row(0).iter().all(|sum| (sum - 0.2).abs() < 1e-15), "{:?}", view.row(0));
    assert!(view.row(1).iter().all(|sum| (sum - 0.2).abs() < 1e-15), "{:?}", view.row(1));
}

#[test]
fn samples_are_sent_as_they_are_without_stale_markers() {
    let mut source = source();
    source.0[0].1[19].1 = model::sample::stale_nan();
    let window = Window::Samples { range_ms: 30_000 };
    let sent = run(&fragment(Grid::instant(300_000), window, vec![]), &source).unwrap();
    let view = SamplesView::new(&sent.tiles[0]).unwrap();
    assert_eq!(view.series(), [0, 1, 2]);
    assert_eq!(view.samples(0), (&[300_000][..], &[20.0][..]));
    assert_eq!(view.samples(1), (&[285_000, 300_000][..], &[38.0, 40.0][..]));
}

#[test]
fn an_offset_moves_the_samples_that_are_read() {
    let mut fragment = fragment(Grid::instant(360_000), INSTANT, vec![]);
    fragment.selector.offset_ms = 300_000;
    assert_eq!(rows(&run(&fragment, &source()).unwrap(), 1)[0].1, [4.0]);
    fragment.selector.offset_ms = -300_000;
    fragment.grid = Grid::instant(-240_000);
    assert_eq!(rows(&run(&fragment, &source()).unwrap(), 1)[0].1, [4.0]);
}

#[test]
fn what_is_read_is_counted_and_charges_are_given_back() {
    let mut fragment = fragment(Grid::instant(300_000), rate(), vec![]);
    fragment.aggregate = Some(partial(AggregateOp::Avg, false, &[]));
    let (ledger, mut sent) = (Ledger::default(), Sent::default());
    let end = run_fragment(&fragment, &source(), &ledger, &mut sent).unwrap();
    assert_eq!(end.samples_read, 12);
    assert_eq!(ledger.samples.into_inner(), 12);
    assert_eq!((ledger.bytes.into_inner(), ledger.bytes_peak.into_inner()), (0, 3 * 8));

    let poor = Ledger { bytes_max: Some(23), ..Ledger::default() };
    let error = run_fragment(&fragment, &source(), &poor, &mut Sent::default()).unwrap_err();
    assert_eq!(error.failure.id, "err-varve-test-memory");
}

#[test]
fn an_aggregation_without_a_state_is_refused() {
    let mut fragment = fragment(Grid::instant(300_000), INSTANT, vec![]);
    fragment.aggregate = Some(partial(AggregateOp::Topk, false, &[]));
    let error = run(&fragment, &source()).unwrap_err();
    assert_eq!(error.to_string(), "aggregation operator \"topk\" is not supported yet");
}

#[test]
fn gaps_are_absent() {
    let source = MemorySource(vec![(labels(&[("a", "1")]), vec![(0, 1.0), (600_000, 2.0)])]);
    let grid = Grid::range(0, 600_000, 300_000);
    let sent = run(&fragment(grid, INSTANT, vec![]), &source).unwrap();
    let bits: Vec<u64> = rows(&sent, 3)[0].1.iter().map(|cell| cell.to_bits()).collect();
    assert_eq!(bits, [1.0, ABSENT, 2.0].map(f64::to_bits));
}
