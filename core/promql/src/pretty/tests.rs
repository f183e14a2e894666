//! What is short stays on its line; what is long is broken where Prometheus breaks it.

use expect_test::{Expect, expect};

use super::*;
use crate::parse::{ParseOptions, parse};

fn check(text: &str, expected: &Expect) {
    let options = ParseOptions::all();
    let pretty = Pretty(&parse(text, &options).unwrap()).to_string();
    expected.assert_eq(&pretty);
    let again = parse(&pretty, &options).unwrap();
    assert_eq!(Pretty(&again).to_string(), pretty, "formatting twice changes nothing");
}

#[test]
fn a_hundred_bytes_fit_on_a_line() {
    let fits = format!("abs({})", "x".repeat(95));
    check(
        &fits.replace('(', " ( "),
        &expect![[r#"
        abs(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx)"#]],
    );
    check(
        &format!("abs({})", "x".repeat(96)),
        &expect![[r#"
        abs(
          xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        )"#]],
    );
}

#[test]
fn long_nodes_put_their_children_on_lines_of_their_own() {
    check(
        "histogram_quantile(0.9, sum by (le, job) (rate(request_duration_seconds_bucket{job=~\"api.*\"}[5m]))) > bool on (job) group_left () (threshold_seconds{quantile=\"0.9\"} * 2)",
        &expect![[r#"
              histogram_quantile(0.9, sum by (le, job) (rate(request_duration_seconds_bucket{job=~"api.*"}[5m])))
            > bool on (job) group_left ()
              (threshold_seconds{quantile="0.9"} * 2)"#]],
    );
    check(
        "topk without (instance) (5, -(avg_over_time(a_rather_long_metric_name_that_fills_the_line{instance=~\"one|two\"}[1h]) / 60 / 60 / 24))",
        &expect![[r#"
            topk without (instance) (
              5,
              -(
                avg_over_time(a_rather_long_metric_name_that_fills_the_line{instance=~"one|two"}[1h]) / 60 / 60 / 24
              )
            )"#]],
    );
}

#[test]
fn subqueries_keep_their_brackets_with_them() {
    check(
        "max_over_time(sum without (instance) (rate(a_rather_long_metric_name_that_fills_the_line{job=\"a\"}[5m]))[1h:5m] @ end() offset 1d)",
        &expect![[r#"
            max_over_time(
              sum without (instance) (rate(a_rather_long_metric_name_that_fills_the_line{job="a"}[5m]))[1h:5m] @ end() offset 1d
            )"#]],
    );
    check(
        "quantile_over_time(0.9, a_rather_long_metric_name_that_fills_the_line{job=\"a job\", instance=\"b\"}[1h:5m])",
        &expect![[r#"
            quantile_over_time(
              0.9,
            a_rather_long_metric_name_that_fills_the_line{instance="b",job="a job"}[1h:5m]
            )"#]],
    );
    check(
        "sum(max_over_time(a_rather_long_metric_name_that_fills_the_line{job=\"a\"}[1h:5m])) + sum(another_long_name)",
        &expect![[r#"
              sum(max_over_time(a_rather_long_metric_name_that_fills_the_line{job="a"}[1h:5m]))
            +
              sum(another_long_name)"#]],
    );
}
