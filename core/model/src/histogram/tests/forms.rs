//! Other forms of a histogram: text, integers, classic buckets.

use super::*;

#[test]
fn literals_are_read_and_written() {
    let table = [
        ("{{}}", "{count:0, sum:0}"),
        (
            "{{schema:1 count:9 sum:-3.5 z_bucket:2 z_bucket_w:0.001 offset:-1 buckets:[1 0 3] n_buckets:[3]}}",
            "{count:9, sum:-3.5, [-1,-0.7071067811865475):3, [-0.001,0.001]:2, (0.5,0.7071067811865475]:1, (1,1.414213562373095]:3}",
        ),
        (
            "{{schema:-53 count:3 sum:1e+21 custom_values:[5 10] counter_reset_hint:gauge buckets:[1 2]}}",
            "{count:3, sum:1e+21, [-Inf,5]:1, (5,10]:2}",
        ),
        ("{{count:1.5e-05 sum:1e+06 counter_reset_hint:not_reset}}", "{count:1.5e-05, sum:1e+06}"),
        (
            "{{counter_reset_hint:reset n_offset:3 n_buckets:[1e-07]}}",
            "{count:0, sum:0, [-8,-4):1e-07}",
        ),
    ];
    for (literal, shown) in table {
        let histogram: Histogram = literal.parse().unwrap();
        assert_eq!(histogram.to_literal(), literal);
        assert_eq!(histogram.to_string(), shown);
    }
    let errors =
        ["schema:0", "{{schema}}", "{{x:1}}", "{{sum:a}}", "{{buckets:[1}}", "{{sum:1 sum:1}}"];
    let texts = errors.map(|text| text.parse::<Histogram>().unwrap_err().to_string());
    assert_eq!(
        texts,
        [
            "a histogram begins with {{ and ends with }}, found \"schema:0\"",
            "histogram field \"schema\" has no value",
            "histogram has no field \"x\"",
            "histogram field \"sum\" cannot be \"a\"",
            "list of histogram field \"buckets\" has no end",
            "duplicate key \"sum\" in histogram",
        ]
    );
}

#[test]
fn deltas_become_counts() {
    let valid = || IntegerHistogram {
        schema: 3,
        zero_count: 1,
        count: 16,
        sum: 5.5,
        positive: DeltaSide {
            spans: vec![Span { offset: -2, length: 2 }, Span { offset: 1, length: 2 }],
            deltas: vec![1, 2, -1, 3],
        },
        negative: DeltaSide { spans: vec![Span { offset: 0, length: 1 }], deltas: vec![4] },
        ..IntegerHistogram::default()
    };
    let float = valid().into_float().unwrap();
    assert_eq!(indexed(&float.positive), [(-2, 1.0), (-1, 3.0), (1, 2.0), (2, 5.0)]);
    assert_eq!((indexed(&float.negative), float.count), (vec![(0, 4.0)], 16.0));
    let mismatch = IntegerHistogram { count: 17, ..valid() };
    assert_eq!(
        mismatch.clone().into_float().unwrap_err(),
        HistogramError::CountMismatch { found: 16, count: 17 }
    );
    assert!(IntegerHistogram { sum: f64::NAN, ..mismatch }.into_float().is_ok());
    let few = IntegerHistogram { sum: f64::NAN, count: 3, ..valid() };
    assert_eq!(
        few.into_float().unwrap_err(),
        HistogramError::CountNotBigEnough { found: 16, count: 3 }
    );
    let mut negative = valid();
    negative.positive.deltas[1] = -3;
    let error = negative.into_float().unwrap_err();
    assert_eq!(
        error,
        HistogramError::NegativeBucket { side: SideName::Positive, number: 2, count: -2.0 }
    );
}

#[test]
fn classic_buckets_become_custom_ones() {
    let convert = |buckets: &[(f64, f64)], count: Option<f64>| {
        let mut classic = ClassicHistogram::default();
        classic.set_sum(1.0);
        buckets.iter().try_for_each(|(le, count)| classic.add_bucket(*le, *count))?;
        count.map_or(Ok(()), |count| classic.set_count(count))?;
        classic.convert().map(|histogram| histogram.to_literal())
    };
    let inf = f64::INFINITY;
    let full = "{{schema:-53 count:9 sum:1 custom_values:[1 2] buckets:[2 3 4]}}".to_owned();
    assert_eq!(convert(&[(2.0, 5.0), (inf, 9.0), (1.0, 2.0)], Some(9.0)), Ok(full.clone()));
    assert_eq!(convert(&[(1.0, 2.0), (2.0, 5.0), (2.0, 7.0)], Some(9.0)), Ok(full));
    let single = "{{schema:-53 count:9 sum:1 custom_values:[] buckets:[9]}}".to_owned();
    assert_eq!(convert(&[], Some(9.0)), Ok(single.clone()));
    assert_eq!(convert(&[(inf, 9.0)], None), Ok(single));
    assert_eq!(convert(&[], None), Err(ClassicError::NoCount));
    assert_eq!(convert(&[(f64::NAN, 1.0)], None), Err(ClassicError::BoundNan));
    let falling = Err(ClassicError::NotCumulative { count: 1.0, before: 2.0 });
    assert_eq!(convert(&[(1.0, 2.0), (2.0, 1.0)], None), falling);
    assert_eq!(convert(&[(2.0, 1.0), (1.0, 2.0)], None), falling);
    assert_eq!(
        convert(&[(inf, 9.0)], Some(8.0)),
        Err(ClassicError::CountMismatch { count: 8.0, le: inf, last: 9.0 })
    );
}

proptest! {
    #[test]
    fn text_keeps_everything(histogram in exponentials(), custom in customs()) {
        for original in [histogram, custom] {
            let read: Histogram = original.to_literal().parse().unwrap();
            let mut compacted = original.clone();
            compacted.compact(usize::MAX);
            prop_assert!(read.same_bits(&compacted), "{}", original.to_literal());
            prop_assert_eq!(read.hint, original.hint);
        }
    }
}
