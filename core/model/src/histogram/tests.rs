//! Histograms drawn as small tables, and the laws of their arithmetic.

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;

mod forms;

/// An exponential histogram: (offset, counts) above and below zero, and the zero bucket's
/// (threshold, count). Count and sum are those of the buckets.
fn exponential(
    schema: i32,
    zero: (f64, f64),
    positive: (i32, &[f64]),
    negative: (i32, &[f64]),
) -> Histogram {
    let count = positive.1.iter().chain(negative.1).fold(zero.1, |total, count| total + count);
    Histogram {
        schema,
        zero_threshold: zero.0,
        zero_count: zero.1,
        count,
        sum: 3.0 * count,
        positive: Side::consecutive(positive.0, positive.1.to_vec()),
        negative: Side::consecutive(negative.0, negative.1.to_vec()),
        ..Histogram::default()
    }
}

fn custom(bounds: &[f64], counts: &[f64]) -> Histogram {
    let count = counts.iter().fold(0.0, |total, count| total + count);
    Histogram {
        schema: CUSTOM_SCHEMA,
        count,
        sum: 2.0 * count,
        positive: Side::consecutive(0, counts.to_vec()),
        custom_bounds: bounds.into(),
        ..Histogram::default()
    }
}

fn indexed(side: &Side) -> Vec<(i32, f64)> {
    side.indexed().collect()
}

#[test]
fn all_buckets_come_in_ascending_order_cut_at_the_zero_threshold() {
    let histogram = exponential(0, (0.75, 5.0), (0, &[1.0, 2.0]), (2, &[3.0]));
    let drawn: Vec<_> = histogram.buckets().map(|b| (b.lower, b.upper, b.count)).collect();
    let expected = [(-4.0, -2.0, 3.0), (-0.75, 0.75, 5.0), (0.75, 1.0, 1.0), (1.0, 2.0, 2.0)];
    assert_eq!(drawn, expected);
    let mut reversed: Vec<_> = histogram.buckets().rev().map(|b| b.count).collect();
    reversed.reverse();
    assert_eq!(reversed, expected.map(|(_, _, count)| count));
}

#[test]
fn spans_without_buckets_move_the_next_one() {
    let span = |offset, length| Span { offset, length };
    let side = Side {
        spans: vec![span(-2, 0), span(3, 2), span(1, 0), span(1, 1), span(5, 0)],
        counts: vec![1.0, 2.0, 3.0],
    };
    assert_eq!(indexed(&side), [(1, 1.0), (2, 2.0), (5, 3.0)]);
    let mut back: Vec<_> = side.indexed().rev().collect();
    back.reverse();
    assert_eq!(back, indexed(&side));
}

#[test]
fn compacting_cuts_empty_buckets_and_fills_small_gaps() {
    let side = Side::consecutive(3, vec![0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 3.0, 0.0]);
    let compacted = |empty_max| {
        let mut side = side.clone();
        side.compact(empty_max);
        let spans: Vec<_> = side.spans.iter().map(|span| (span.offset, span.length)).collect();
        (spans, side.counts)
    };
    assert_eq!(compacted(0), (vec![(4, 1), (2, 1), (1, 1)], vec![1.0, 2.0, 3.0]));
    assert_eq!(compacted(1), (vec![(4, 1), (2, 3)], vec![1.0, 2.0, 0.0, 3.0]));
    assert_eq!(compacted(2), (vec![(4, 6)], vec![1.0, 0.0, 0.0, 2.0, 0.0, 3.0]));
    let mut empty = Side::consecutive(3, vec![0.0; 4]);
    empty.compact(9);
    assert_eq!(empty, Side::default());
}

#[test]
fn sums_have_the_coarser_layout_of_both() {
    let mut fine = exponential(1, (0.0, 1.0), (-1, &[1.0, 2.0, 3.0, 4.0]), (0, &[]));
    let coarse = exponential(0, (0.0, 2.0), (1, &[10.0]), (0, &[7.0]));
    let combined = fine.add(&coarse).unwrap();
    assert_eq!(combined, Combined::default());
    assert_eq!((fine.schema, fine.zero_count, fine.count), (0, 3.0, 30.0));
    assert_eq!(indexed(&fine.positive), [(0, 3.0), (1, 17.0)]);
    assert_eq!(indexed(&fine.negative), [(0, 7.0)]);
}

#[test]
fn the_zero_bucket_swallows_what_it_cuts_through() {
    // 0.3 lies within (0.25, 0.5], which is populated: the zero bucket reaches up to 0.5.
    let mut narrow = exponential(0, (0.0, 1.0), (-2, &[2.0, 4.0, 8.0]), (-2, &[1.0]));
    let wide = exponential(0, (0.3, 10.0), (1, &[1.0]), (0, &[]));
    narrow.add(&wide).unwrap();
    assert_eq!((narrow.zero_threshold, narrow.zero_count), (0.5, 18.0));
    assert_eq!(indexed(&narrow.positive), [(0, 8.0), (1, 1.0)]);
    assert!(narrow.negative.is_empty());
}

#[test]
fn custom_bounds_are_reconciled_to_those_of_both() {
    let mut left = custom(&[1.0, 2.0, 4.0], &[1.0, 2.0, 3.0, 4.0]);
    let right = custom(&[2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]);
    assert!(left.add(&right).unwrap().bounds_reconciled);
    assert_eq!(*left.custom_bounds, [2.0, 4.0]);
    assert_eq!(indexed(&left.positive), [(0, 13.0), (1, 53.0), (2, 44.0)]);
    let exponential = exponential(0, (0.0, 0.0), (0, &[1.0]), (0, &[]));
    assert_eq!(left.add(&exponential), Err(HistogramError::MixedKinds));
}

#[test]
fn hints_of_a_sum() {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    let table = [
        (Unknown, Unknown, Unknown, false),
        (Reset, Reset, Reset, false),
        (Gauge, Reset, Gauge, false),
        (NotReset, Gauge, Gauge, false),
        (Unknown, Reset, Unknown, false),
        (NotReset, Unknown, Unknown, false),
        (NotReset, Reset, Unknown, true),
    ];
    for (own, other, hint, collides) in table {
        let mut left = Histogram { hint: own, ..Histogram::default() };
        let right = Histogram { hint: other, ..Histogram::default() };
        assert_eq!(left.add(&right).unwrap().hints_collide, collides, "{own:?} {other:?}");
        assert_eq!(left.hint, hint, "{own:?} {other:?}");
    }
}

#[test]
fn resets_are_found_bucket_by_bucket() {
    let of = |schema, zero, counts: &[f64]| exponential(schema, zero, (0, counts), (0, &[]));
    let before = of(0, (0.1, 1.0), &[1.0, 2.0]);
    let cases = [
        (of(0, (0.1, 1.0), &[1.0, 2.0]), false, "nothing changed"),
        (of(0, (0.1, 1.0), &[0.0, 9.0]), true, "a bucket went down"),
        (of(0, (0.1, 9.0), &[1.0]), true, "a bucket vanished"),
        (of(0, (0.1, 0.0), &[2.0, 3.0]), true, "the zero bucket went down"),
        (of(1, (0.1, 9.0), &[9.0; 9]), true, "the resolution rose"),
        (of(-1, (0.1, 1.0), &[1.0, 2.0]), false, "the resolution fell"),
        (of(0, (0.05, 9.0), &[9.0, 9.0]), true, "the threshold fell"),
        (of(0, (1.0, 2.0), &[0.0, 2.0]), false, "the zero bucket swallowed one"),
        (of(0, (0.7, 9.0), &[1.0, 2.0]), true, "the threshold cuts through a populated one"),
    ];
    for (now, is_reset, what) in cases {
        assert_eq!(now.is_reset_after(&before), is_reset, "{what}");
    }
    let told = Histogram { hint: ResetHint::NotReset, ..of(0, (0.1, 0.0), &[0.0]) };
    assert!(!told.is_reset_after(&before));
    let then = custom(&[1.0, 2.0], &[5.0, 5.0]);
    assert!(!custom(&[2.0], &[10.0, 1.0]).is_reset_after(&then));
    assert!(custom(&[2.0], &[9.0, 9.0]).is_reset_after(&then));
}

#[test]
fn dividing_by_zero_leaves_no_buckets() {
    let mut histogram = exponential(0, (0.1, 1.0), (0, &[1.0]), (0, &[2.0]));
    histogram.div(0.0);
    assert!(histogram.positive.is_empty() && histogram.negative.is_empty());
    assert_eq!(histogram.count, f64::INFINITY);
    histogram.mul(-1.0);
    assert_eq!(histogram.hint, ResetHint::Gauge);
}

#[test]
fn what_is_wrong_is_named() {
    let valid = exponential(0, (0.1, 1.0), (0, &[1.0, 2.0]), (0, &[3.0]));
    let broken = |change: fn(&mut Histogram)| {
        let mut histogram = valid.clone();
        change(&mut histogram);
        histogram.validate().map_err(|error| error.to_string())
    };
    assert_eq!(broken(|_| ()), Ok(()));
    type Change = fn(&mut Histogram);
    let table: [(Change, &str); 5] = [
        (|h| h.schema = 9, "got schema 9"),
        (|h| h.positive.counts.truncate(1), "positive side: spans need 2 buckets, have 1 buckets"),
        (|h| h.negative.counts[0] = -1.0, "negative side: bucket number 1 has observation count"),
        (|h| h.count = -1.0, "observation count is -1"),
        (|h| h.custom_bounds = [1.0].into(), "must not have custom bounds"),
    ];
    for (change, text) in table {
        let error = broken(change).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
    assert_eq!(
        custom(&[1.0, 1.0], &[]).validate().unwrap_err(),
        HistogramError::BoundOrder { before: 1.0, bound: 1.0 }
    );
    assert_eq!(
        custom(&[1.0], &[1.0; 3]).validate(),
        Err(HistogramError::BoundsTooFew { bounds: 1, buckets: 3 })
    );
}

fn near(left: f64, right: f64) -> bool {
    left == right
        || (left.is_nan() && right.is_nan())
        || (left - right).abs() <= 1e-12 * right.abs()
}

#[test]
fn quantiles_are_even_in_the_logarithm() {
    // 4 observations each in (0.5, 1], (1, 2], (2, 4], and 12 around zero.
    let positive = exponential(0, (0.001, 12.0), (0, &[4.0, 4.0, 4.0]), (0, &[]));
    let negative = exponential(0, (0.001, 12.0), (0, &[]), (0, &[4.0, 4.0, 4.0]));
    let both = exponential(0, (0.001, 0.0), (0, &[4.0]), (0, &[4.0]));
    let custom = custom(&[5.0, 10.0], &[1.0, 4.0, 5.0]);
    let table = [
        (&positive, -0.1, f64::NEG_INFINITY),
        (&positive, 1.1, f64::INFINITY),
        (&positive, f64::NAN, f64::NAN),
        (&positive, 0.0, 0.0),
        (&positive, 0.25, 0.0005),
        (&positive, 7.0 / 12.0, 2_f64.powf(-0.5)),
        (&positive, 0.75, 2_f64.powf(0.5)),
        (&positive, 1.0, 4.0),
        (&negative, 0.0, -4.0),
        (&negative, 0.25, -(2_f64.powf(0.5))),
        (&negative, 1.0, 0.0),
        (&both, 0.25, -(2_f64.powf(-0.5))),
        (&custom, 0.05, 2.5),
        (&custom, 0.3, 7.5),
        (&custom, 0.9, 10.0),
    ];
    for (histogram, q, value) in table {
        let (found, effect) = histogram.quantile(q);
        assert!(near(found, value), "{q}: {found} instead of {value}");
        assert_eq!(effect, NanEffect::None, "{q}");
    }
}

#[test]
fn fractions_are_the_inverse_of_quantiles() {
    let positive = exponential(0, (0.001, 12.0), (0, &[4.0, 4.0, 4.0]), (0, &[]));
    let custom = custom(&[5.0, 10.0], &[1.0, 4.0, 5.0]);
    let inf = f64::INFINITY;
    let table = [
        (&positive, -inf, inf, 1.0),
        (&positive, -inf, 0.0005, 0.25),
        (&positive, -inf, 2_f64.powf(0.5), 0.75),
        (&positive, 1.0, 2.0, 4.0 / 24.0),
        (&positive, 2.0, 1.0, 0.0),
        (&positive, f64::NAN, 1.0, f64::NAN),
        (&custom, -inf, 5.0, 0.1),
        (&custom, 2.5, 7.5, 0.25),
    ];
    for (histogram, lower, upper, share) in table {
        let (found, _) = histogram.fraction(lower, upper);
        assert!(near(found, share), "{lower} to {upper}: {found} instead of {share}");
    }
}

#[test]
fn nan_observations_are_in_no_bucket() {
    let mut histogram = exponential(0, (0.0, 0.0), (1, &[8.0]), (0, &[]));
    (histogram.count, histogram.sum) = (10.0, f64::NAN);
    assert_eq!(histogram.quantile(0.4), (2_f64.powf(0.5), NanEffect::Skews));
    let (value, effect) = histogram.quantile(0.9);
    assert!(value.is_nan() && effect == NanEffect::IsNan);
    assert_eq!(histogram.fraction(f64::NEG_INFINITY, 2.0), (0.8, NanEffect::Excluded));
}

#[test]
fn spread_is_measured_from_the_middle_of_buckets() {
    let mut histogram = exponential(0, (0.1, 1.0), (2, &[2.0]), (2, &[1.0]));
    histogram.sum = 0.0;
    assert_eq!((histogram.average(), near(histogram.variance(), 3.0 * 8.0 / 4.0)), (0.0, true));
    let mut even = custom(&[0.0, 4.0], &[0.0, 2.0]);
    even.sum = 6.0;
    assert_eq!((even.average(), even.variance()), (3.0, 1.0));
}

#[test]
fn compensated_sums_keep_small_terms() {
    let of = |count: f64| exponential(1, (0.0, count), (0, &[count, count]), (0, &[count]));
    let mut sum = of(1.0);
    let mut lost = sum.no_compensation();
    let finer = exponential(2, (0.0, 0.0), (9, &[1.0, 1.0]), (0, &[]));
    for term in [of(1e100), finer, of(1.0), of(-1e100)] {
        sum.kahan_add(&term, &mut lost).unwrap();
    }
    sum.add(&lost).unwrap();
    assert_eq!((sum.zero_count, sum.negative.counts.as_slice()), (2.0, &[2.0][..]));
    assert_eq!(indexed(&sum.positive), [(0, 2.0), (1, 2.0), (5, 2.0)]);
}

#[test]
fn trimming_interpolates_within_the_bucket_it_cuts() {
    let drawn = |keep, at| {
        let mut histogram = exponential(0, (0.001, 1.0), (0, &[2.0, 4.0]), (0, &[2.0]));
        histogram.trim(at, keep);
        let sides = (histogram.negative.counts, histogram.zero_count, histogram.positive.counts);
        (sides, histogram.count)
    };
    let all = ((vec![2.0], 1.0, vec![2.0, 4.0]), 9.0);
    assert_eq!(drawn(Keep::Below, f64::INFINITY), all);
    assert_eq!(drawn(Keep::Above, f64::NEG_INFINITY), all);
    assert_eq!(drawn(Keep::Below, 1.0), ((vec![2.0], 1.0, vec![2.0]), 5.0));
    assert_eq!(drawn(Keep::Above, 0.0), ((vec![], 0.5, vec![2.0, 4.0]), 6.5));
    assert!(near(drawn(Keep::Above, 2_f64.sqrt()).1, 2.0));
    let thin = |keep| {
        let mut histogram = exponential(0, (0.0, 3.0), (0, &[]), (0, &[]));
        histogram.trim(0.0, keep);
        histogram.zero_count
    };
    assert_eq!((thin(Keep::Below), thin(Keep::Above)), (0.0, 3.0));
    let mut custom = custom(&[5.0, 10.0], &[1.0, 4.0, 5.0]);
    custom.trim(7.5, Keep::Below);
    assert_eq!((custom.positive.counts, custom.count, custom.sum), (vec![1.0, 2.0], 3.0, 15.0));
}

/// Counts are small integers, so that sums are exact in any order.
fn counts() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0_u32..6).prop_map(f64::from), 0..12)
}

/// Zero thresholds are bounds of every schema. Others break the laws below, in Prometheus as here: a
/// bucket that the zero bucket swallowed counts again once it is part of a coarser one.
pub(super) fn exponentials() -> impl Strategy<Value = Histogram> {
    let zero = (prop::sample::select(vec![0.0, 1.0 / 65_536.0, 1.0]), 0_u32..5);
    (-4..=8, zero, -9..9, counts(), -9..9, counts()).prop_map(
        |(schema, (threshold, zero), p_offset, p, n_offset, n)| {
            let zero = (threshold, zero.into());
            let drawn = exponential(schema, zero, (p_offset, &p), (n_offset, &n));
            // No client counts into a bucket that begins within its zero bucket.
            let [p_inside, n_inside] = [true, false].map(|side| drawn.inside_zero(side));
            let moved = |offset: i32, inside: usize| offset + i32::try_from(inside).unwrap();
            let positive = (moved(p_offset, p_inside), &p[p_inside..]);
            exponential(schema, zero, positive, (moved(n_offset, n_inside), &n[n_inside..]))
        },
    )
}

pub(super) fn customs() -> impl Strategy<Value = Histogram> {
    let bounds = prop::collection::btree_set(-5_i32..9, 0..8);
    (bounds, counts()).prop_map(|(bounds, mut counts)| {
        let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
        counts.truncate(bounds.len() + 1);
        custom(&bounds, &counts)
    })
}

fn compacted(mut histogram: Histogram) -> Histogram {
    histogram.compact(0);
    histogram
}

fn sum(left: &Histogram, right: &Histogram) -> Histogram {
    let mut sum = left.clone();
    sum.add(right).unwrap();
    sum
}

proptest! {
    #[test]
    fn addition_commutes(pair in (exponentials(), exponentials())) {
        let (left, right) = pair;
        prop_assert_eq!(compacted(sum(&left, &right)), compacted(sum(&right, &left)));
    }

    #[test]
    fn addition_of_custom_buckets_commutes(pair in (customs(), customs())) {
        let (left, right) = pair;
        prop_assert_eq!(compacted(sum(&left, &right)), compacted(sum(&right, &left)));
    }

    #[test]
    fn subtraction_undoes_addition(left in exponentials(), right in exponentials()) {
        // What was merged stays merged: compare with the histogram at the sum's layout.
        let total = sum(&left, &right);
        let mut back = total.clone();
        back.sub(&right).unwrap();
        let mut expected = right.clone();
        expected.mul(0.0);
        let expected = compacted(sum(&left, &expected));
        prop_assert_eq!(back.count, left.count);
        if expected.zero_threshold == total.zero_threshold {
            prop_assert_eq!(compacted(back), expected);
        }
    }

    #[test]
    fn a_sum_is_valid_and_no_reset(left in exponentials(), right in exponentials()) {
        let total = sum(&left, &right);
        prop_assert_eq!(total.validate(), Ok(()));
        prop_assert!(!total.is_reset_after(&left), "{:?} after {:?}", total, left);
        prop_assert_eq!(total.buckets().map(|b| b.count).sum::<f64>(), total.count);
    }

    #[test]
    fn resolution_can_be_reduced_before_or_after_adding(
        left in exponentials(), right in exponentials(), by in 0_i32..4,
    ) {
        // The zero bucket may have to reach further at a lower resolution.
        let without_zero = |mut histogram: Histogram| {
            (histogram.zero_threshold, histogram.zero_count) = (0.0, 0.0);
            histogram
        };
        let (left, right) = (without_zero(left), without_zero(right));
        let total = sum(&left, &right);
        let schema = (total.schema - by).max(SCHEMA_MIN);
        let after = total.copy_to_schema(schema).unwrap();
        let before =
            sum(&left.copy_to_schema(schema).unwrap(), &right.copy_to_schema(schema).unwrap());
        prop_assert_eq!(compacted(before), compacted(after));
    }

    #[test]
    fn compensated_sums_of_whole_numbers_are_sums(
        left in exponentials(), right in exponentials(), custom in (customs(), customs()),
    ) {
        for (left, right) in [(left, right), custom] {
            let mut compensated = left.clone();
            let mut lost = left.no_compensation();
            compensated.kahan_add(&right, &mut lost).unwrap();
            prop_assert_eq!(compensated.positive.spans.clone(), lost.positive.spans);
            prop_assert_eq!(compacted(compensated), compacted(sum(&left, &right)));
        }
    }

    #[test]
    fn compacting_keeps_the_populated_buckets(histogram in exponentials(), empty_max in 0_usize..4) {
        let populated = |side: &Side| -> Vec<_> {
            side.indexed().filter(|(_, count)| *count != 0.0).collect()
        };
        let mut compacted = histogram.clone();
        compacted.compact(empty_max);
        prop_assert_eq!(populated(&compacted.positive), populated(&histogram.positive));
        prop_assert_eq!(populated(&compacted.negative), populated(&histogram.negative));
        prop_assert_eq!(compacted.validate(), Ok(()));
        let again = compacted.clone();
        compacted.compact(empty_max);
        prop_assert!(compacted.same_bits(&again));
    }

    #[test]
    fn damaged_layouts_do_not_panic(
        spans in prop::collection::vec((any::<i32>(), 0_u32..9), 0..5), counts in counts(),
        schema in any::<i32>(),
    ) {
        let spans = spans.into_iter().map(|(offset, length)| Span { offset, length }).collect();
        let damaged = Histogram { schema, positive: Side { spans, counts }, ..Histogram::default() };
        prop_assert!(damaged.buckets().count() <= 12);
        prop_assert!(damaged.buckets().rev().count() <= 12);
    }
}
