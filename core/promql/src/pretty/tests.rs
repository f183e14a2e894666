//! What is short stays on its line; what is long is broken where Prometheus breaks it.

use expect_test::{Expect, expect};

use super::*;
use crate::parse::{ParseOptions, parse};

fn check(text: &str, expected: &Expect) {
    let options = ParseOptions::all();
    let pretty = Pretty::new(&parse(text, &options).unwrap()).to_string();
    expected.assert_eq(&pretty);
    let again = parse(&pretty, &options).unwrap();
    assert_eq!(Pretty::new(&again).to_string(), pretty, "formatting twice changes nothing");
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

/// Formats within ten bytes a line, so that small expressions show how large ones break.
fn check_narrow(text: &str, expected: &Expect) {
    let expr = parse(text, &ParseOptions::all()).unwrap();
    expected.assert_eq(&Pretty::within(&expr, 10).to_string());
}

#[test]
fn chains_of_operators_lean_to_the_left() {
    check_narrow("a+b", &expect!["a + b"]);
    check_narrow(
        "a==bool 10",
        &expect![[r#"
          a
        == bool
          10"#]],
    );
    check_narrow(
        "foo + bar + other",
        &expect![[r#"
          foo + bar
        +
          other"#]],
    );
    check_narrow(
        "one_1 + on(a) one_2 - ignoring(b) group_left one_3",
        &expect![[r#"
            one_1
          + on (a)
            one_2
        - ignoring (b) group_left ()
          one_3"#]],
    );
    check_narrow(
        "(one_long + two_long) * 3",
        &expect![[r#"
          (
              one_long
            +
              two_long
          )
        *
          3"#]],
    );
}

#[test]
fn calls_signs_and_parentheses_open_a_level() {
    check_narrow(
        "((in_there))",
        &expect![[r#"
        (
          (in_there)
        )"#]],
    );
    check_narrow(
        "(((inside)))",
        &expect![[r#"
        (
          ((inside))
        )"#]],
    );
    check_narrow(
        "-rate(x[2*1h] @ start())",
        &expect![[r#"
        -rate(
          x[2 * 1h] @ start()
        )"#]],
    );
    check_narrow(
        "(-abs(-rate(x[1m])))",
        &expect![[r#"
        (
          -abs(
            -rate(
              x[1m]
            )
          )
        )"#]],
    );
    check_narrow(
        "quantile(scalar(x), y) by (a)",
        &expect![[r#"
        quantile by (a) (
          scalar(x),
          y
        )"#]],
    );
    check_narrow(
        "max_over_time(rate(a_counter[1m])[1m:] @ start() offset 1m)",
        &expect![[r#"
        max_over_time(
          rate(
            a_counter[1m]
          )[1m:] @ start() offset 1m
        )"#]],
    );
    check_narrow(
        "label_join(up{a=\"b\"}, \"c\", \"\")",
        &expect![[r#"
        label_join(
          up{a="b"},
          "c",
          ""
        )"#]],
    );
}
