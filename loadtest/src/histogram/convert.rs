//! To and from the product's histograms: the scripts' data goes into an engine, and its answers
//! come back.

use model::histogram::{Histogram, ResetHint, Side};

use super::{CounterResetHint, FloatHistogram, Span};

impl From<&Histogram> for FloatHistogram {
    fn from(histogram: &Histogram) -> Self {
        let spans = |side: &Side| {
            side.spans.iter().map(|it| Span { offset: it.offset, length: it.length }).collect()
        };
        Self {
            counter_reset_hint: match histogram.hint {
                ResetHint::Unknown => CounterResetHint::Unknown,
                ResetHint::Reset => CounterResetHint::CounterReset,
                ResetHint::NotReset => CounterResetHint::NotCounterReset,
                ResetHint::Gauge => CounterResetHint::Gauge,
            },
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: histogram.zero_count,
            count: histogram.count,
            sum: histogram.sum,
            positive_spans: spans(&histogram.positive),
            negative_spans: spans(&histogram.negative),
            positive_buckets: histogram.positive.counts.clone(),
            negative_buckets: histogram.negative.counts.clone(),
            custom_values: histogram.custom_bounds.to_vec(),
        }
    }
}

impl From<&FloatHistogram> for Histogram {
    fn from(histogram: &FloatHistogram) -> Self {
        let side = |spans: &[Span], counts: &[f64]| {
            let span = |it: &Span| model::histogram::Span { offset: it.offset, length: it.length };
            Side { spans: spans.iter().map(span).collect(), counts: counts.to_vec() }
        };
        Self {
            hint: match histogram.counter_reset_hint {
                CounterResetHint::Unknown => ResetHint::Unknown,
                CounterResetHint::CounterReset => ResetHint::Reset,
                CounterResetHint::NotCounterReset => ResetHint::NotReset,
                CounterResetHint::Gauge => ResetHint::Gauge,
            },
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: histogram.zero_count,
            count: histogram.count,
            sum: histogram.sum,
            positive: side(&histogram.positive_spans, &histogram.positive_buckets),
            negative: side(&histogram.negative_spans, &histogram.negative_buckets),
            custom_bounds: histogram.custom_values.as_slice().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same() {
        let histogram = FloatHistogram {
            counter_reset_hint: CounterResetHint::CounterReset,
            schema: 3,
            zero_threshold: 0.5,
            zero_count: 1.0,
            count: 6.0,
            sum: -2.5,
            positive_spans: vec![Span { offset: -3, length: 1 }, Span { offset: 2, length: 1 }],
            negative_spans: vec![Span { offset: 0, length: 1 }],
            positive_buckets: vec![1.0, 3.0],
            negative_buckets: vec![1.0],
            custom_values: Vec::new(),
        };
        assert_eq!(FloatHistogram::from(&Histogram::from(&histogram)), histogram);
    }
}
