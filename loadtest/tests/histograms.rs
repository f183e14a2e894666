//! The product's histogram algebra against the naive one, over random histograms.

use loadtest::histogram::{CounterResetHint, FloatHistogram, Span};
use loadtest::promqltest::{Answer, Engine, Point, Series};
use loadtest::reference::{NameRemoval, Reference};
use model::Labels;
use model::histogram::{Histogram, Keep};
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, prop_assume,
    prop_oneof, proptest,
};

/// Whole counts: sums do not depend on the order of their summands.
fn buckets() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0..6_u8).prop_map(f64::from), 0..6)
}

fn side() -> impl Strategy<Value = (Vec<Span>, Vec<f64>)> {
    (-6..4_i32, buckets(), 0..3_i32, buckets()).prop_map(|(offset, first, gap, second)| {
        let length = |buckets: &Vec<f64>| u32::try_from(buckets.len()).expect("they are few");
        let spans = [(offset, length(&first)), (gap, length(&second))];
        let spans = spans.map(|(offset, length)| Span { offset, length });
        (spans.to_vec(), [first, second].concat())
    })
}

fn hint() -> impl Strategy<Value = CounterResetHint> {
    use CounterResetHint::{CounterReset, Gauge, NotCounterReset, Unknown};
    prop_oneof![Just(Unknown), Just(CounterReset), Just(NotCounterReset), Just(Gauge)]
}

fn exponential() -> impl Strategy<Value = FloatHistogram> {
    let zero = (prop_oneof![Just(0.0), Just(0.1), Just(0.5), Just(1.5)], 0..4_u8);
    (hint(), -1..4_i32, zero, side(), side(), any::<bool>()).prop_map(
        |(counter_reset_hint, schema, (zero_threshold, zero), positive, negative, has_nans)| {
            let mut histogram = FloatHistogram {
                counter_reset_hint,
                schema,
                zero_threshold,
                zero_count: f64::from(zero),
                sum: 7.0,
                ..FloatHistogram::default()
            };
            (histogram.positive_spans, histogram.positive_buckets) = positive;
            (histogram.negative_spans, histogram.negative_buckets) = negative;
            let buckets = histogram.positive_buckets.iter().chain(&histogram.negative_buckets);
            let observed: f64 = buckets.sum();
            histogram.count = observed + f64::from(zero) + f64::from(u8::from(has_nans));
            histogram
        },
    )
}

fn custom() -> impl Strategy<Value = FloatHistogram> {
    let bounds = prop::sample::subsequence(vec![-2.0, 0.0, 1.0, 2.0, 5.0, 10.0], 0..=6);
    (hint(), bounds, prop::collection::vec((0..6_u8).prop_map(f64::from), 7)).prop_map(
        |(counter_reset_hint, custom_values, mut buckets)| {
            buckets.truncate(custom_values.len() + 1);
            let length = u32::try_from(buckets.len()).expect("they are few");
            FloatHistogram {
                counter_reset_hint,
                schema: -53,
                count: buckets.iter().sum(),
                sum: 7.0,
                positive_spans: vec![Span { offset: 0, length }],
                positive_buckets: buckets,
                custom_values,
                ..FloatHistogram::default()
            }
        },
    )
}

fn any_histogram() -> impl Strategy<Value = FloatHistogram> {
    prop_oneof![4 => exponential(), 2 => custom()]
}

/// Without empty buckets, and comparable.
fn compacted(mut histogram: FloatHistogram) -> FloatHistogram {
    histogram.compact();
    histogram
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_and_differences_agree(a in any_histogram(), b in any_histogram()) {
        for is_sum in [true, false] {
            let (mut naive, mut product) = (a.clone(), Histogram::from(&a));
            let other = Histogram::from(&b);
            let expected = if is_sum { naive.add(&b) } else { naive.sub(&b) };
            let found = if is_sum { product.add(&other) } else { product.sub(&other) };
            prop_assert_eq!(found.is_ok(), expected.is_ok());
            if let (Ok(expected), Ok(found)) = (expected, found) {
                prop_assert_eq!(found.hints_collide, expected.counter_reset_collision);
                prop_assert_eq!(found.bounds_reconciled, expected.bounds_reconciled);
                product.compact(0);
                prop_assert_eq!(FloatHistogram::from(&product), compacted(naive));
            }
        }
    }

    #[test]
    fn resets_agree(a in any_histogram(), b in any_histogram(), c in exponential()) {
        let mut grown = a.clone();
        let candidates = match grown.add(&c) {
            Ok(_) => vec![b, grown, a.clone()],
            Err(_) => vec![b, a.clone()],
        };
        for mut now in candidates {
            now.counter_reset_hint = CounterResetHint::Unknown;
            let found = Histogram::from(&now).is_reset_after(&Histogram::from(&a));
            prop_assert_eq!(found, now.detect_reset(&a), "{:?} after {:?}", now, a);
        }
    }

    #[test]
    fn buckets_agree(a in any_histogram()) {
        let histogram = Histogram::from(&a);
        let found: Vec<(f64, f64, f64)> =
            histogram.buckets().map(|it| (it.lower, it.upper, it.count)).collect();
        let expected: Vec<(f64, f64, f64)> =
            a.all_buckets().map(|it| (it.lower, it.upper, it.count)).collect();
        prop_assert_eq!(found.len(), expected.len());
        for (a, b) in found.into_iter().zip(expected) {
            let is_same = is_near(a.0, b.0) && is_near(a.1, b.1) && a.2 == b.2;
            prop_assert!(is_same, "{a:?} is not {b:?}");
        }
    }

    #[test]
    fn what_is_left_of_trimmed_histograms_agrees(
        a in any_histogram(),
        bound in -3.0..12.0_f64,
        is_whole in any::<bool>(),
    ) {
        // Two corners are left to the scripts: a zero bucket without a width trimmed at 0 itself,
        // and buckets without observations, which Prometheus does not take for a populated side.
        let mut a = a;
        a.compact();
        let bound = if is_whole && bound.round() != 0.0 { bound.round() } else { bound };
        prop_assume!(bound != 0.0);
        for (keeps_below, keep) in [(true, Keep::Below), (false, Keep::Above)] {
            let (mut naive, mut product) = (a.clone(), Histogram::from(&a));
            naive.trim(bound, keeps_below);
            product.trim(bound, keep);
            product.compact(0);
            let (found, expected) = (FloatHistogram::from(&product), compacted(naive));
            prop_assert_eq!(&found.positive_spans, &expected.positive_spans);
            prop_assert_eq!(&found.negative_spans, &expected.negative_spans);
            let numbers = |it: &FloatHistogram| {
                [vec![it.count, it.sum, it.zero_count], it.positive_buckets.clone(), it.negative_buckets.clone()]
                    .concat()
            };
            for (a, b) in numbers(&found).into_iter().zip(numbers(&expected)) {
                prop_assert!(is_near(a, b), "{found:?} is not {expected:?}");
            }
        }
    }

    #[test]
    fn quantiles_fractions_and_moments_agree(
        a in any_histogram(),
        q in prop_oneof![Just(0.0), Just(0.5), Just(1.0), 0.0..1.0_f64],
        (lower, upper) in (-4.0..4.0_f64, -4.0..12.0_f64),
        has_nan_sum in any::<bool>(),
    ) {
        let mut histogram = a;
        if has_nan_sum {
            histogram.sum = f64::NAN;
        }
        let product = Histogram::from(&histogram);
        let mut engine = engine_with(&histogram);
        for (query, found) in [
            (format!("histogram_quantile({q}, m)"), product.quantile(q).0),
            (format!("histogram_fraction({lower}, {upper}, m)"), product.fraction(lower, upper).0),
            ("histogram_avg(m)".to_owned(), product.average()),
            ("histogram_stdvar(m)".to_owned(), product.variance()),
        ] {
            let expected = value(&mut engine, &query);
            prop_assert!(is_near(found, expected), "{query}: {found}, not {expected}: {histogram:?}");
        }
    }
}

/// Equal but for the last bits: some bounds are computed in another order.
fn is_near(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
        || (a.is_nan() && b.is_nan())
        || (a - b).abs() <= 1e-9 * (1.0 + a.abs())
}

fn engine_with(histogram: &FloatHistogram) -> Reference {
    let point = Point { timestamp_ms: 0, value: histogram.clone().into(), start_ms: 0 };
    let labels = Labels::from_pairs([("__name__", "m")]);
    let mut engine = Reference::new(NameRemoval::Delayed);
    engine.load(&[Series { labels, points: vec![point] }]).expect("the series is new");
    engine
}

fn value(engine: &mut Reference, query: &str) -> f64 {
    let evaluated = engine.instant(query, 0).expect("the query has a value");
    match evaluated.answer {
        Answer::Vector(vector) => vector[0].1.float().expect("it is a float"),
        _ => f64::NEG_INFINITY,
    }
}
