//! What Prometheus' scripts do not show: names that are removed at once, and errors' texts.

use model::Labels;

use super::{NameRemoval, Reference};
use crate::promqltest::engine::{Answer, Engine, Grid, Point, Series, Value};

fn engine(name_removal: NameRemoval) -> Reference {
    let mut engine = Reference::new(name_removal);
    let series = |name: &str, job: &str| Series {
        labels: Labels::from_pairs([("__name__", name), ("job", job)]),
        points: (0..5_i32)
            .map(|i| Point {
                timestamp_ms: i64::from(i) * 60_000,
                value: Value::Float(f64::from(i)),
                start_ms: 0,
            })
            .collect(),
    };
    engine.load(&[series("a", "x"), series("a", "y"), series("b", "x")]).unwrap();
    engine
}

fn instant(engine: &mut Reference, query: &str) -> Result<String, String> {
    let evaluated = engine.instant(query, 240_000)?;
    let Answer::Vector(vector) = evaluated.answer else { return Err("no vector".to_owned()) };
    let samples =
        vector.iter().map(|(labels, value)| format!("{labels} {}", value.float().unwrap()));
    Ok(samples.collect::<Vec<_>>().join("; "))
}

#[test]
fn a_name_that_goes_at_once_may_leave_two_series_alike() {
    let query = r#"sum(abs({__name__=~"a|b"}))"#;
    let same = Err("vector cannot contain metrics with the same labelset".to_owned());
    assert_eq!(instant(&mut engine(NameRemoval::Immediate), query), same);
    assert_eq!(instant(&mut engine(NameRemoval::Delayed), query), Ok("{} 12".to_owned()));
    let query = r#"abs({__name__=~"a|b"})"#;
    assert_eq!(instant(&mut engine(NameRemoval::Delayed), query), same);
}

#[test]
fn both_ways_of_removal_end_alike() {
    for query in ["rate(a[5m])", "-a", "a * 2", "a > bool 1", "timestamp(a)", "a + on(job) b"] {
        let immediate = instant(&mut engine(NameRemoval::Immediate), query);
        assert!(immediate.as_ref().is_ok_and(|it| !it.contains("__name__")), "{immediate:?}");
        assert_eq!(immediate, instant(&mut engine(NameRemoval::Delayed), query), "{query}");
    }
}

#[test]
fn a_match_that_is_not_unique_names_both_series() {
    let error = instant(&mut engine(NameRemoval::Delayed), "b * on() a").unwrap_err();
    let expected = "found duplicate series for the match group {} on the right hand-side of the \
                    operation: [{__name__=\"a\", job=\"y\"}, {__name__=\"a\", job=\"x\"}];\
                    many-to-many matching not allowed: matching labels must be unique on one side";
    assert_eq!(error, expected);
}

#[test]
fn a_range_vector_has_no_range() {
    let grid = Grid { start_ms: 0, end_ms: 60_000, step_ms: 60_000 };
    let error = engine(NameRemoval::Delayed).range("a[5m]", grid).unwrap_err();
    assert!(error.starts_with("invalid expression type \"range vector\" for range query"));
}

#[test]
fn samples_must_come_in_order() {
    let mut engine = engine(NameRemoval::Delayed);
    let labels = Labels::from_pairs([("__name__", "a"), ("job", "x")]);
    let point = Point { timestamp_ms: 0, value: Value::Float(1.0), start_ms: 0 };
    let error = engine.load(&[Series { labels, points: vec![point] }]).unwrap_err();
    assert_eq!(error, "{__name__=\"a\", job=\"x\"}: out of order sample at 0 ms");
}
