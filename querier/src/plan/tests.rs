//! Pictures of plans: what is pushed to the partitions and what is not.

use expect_test::{Expect, expect};
use model::TenantId;
use promql::grid::Grid;
use promql::parse::{ParseOptions, parse};
use promql::refuse::refuse;

use super::{Plan, PlanContext};

fn check(query: &str, expected: Expect) {
    let expr = parse(query, &ParseOptions::default()).unwrap();
    refuse(query, &expr).unwrap();
    let tenant = TenantId::anonymous();
    let grid = Grid::range(10_000, 70_000, 15_000);
    let context = PlanContext { tenant: &tenant, grid, lookback_ms: 300_000 };
    expected.assert_eq(&Plan::of(&expr, &context).unwrap().to_string());
}

#[test]
fn aggregations_over_one_chain_are_pushed_down() {
    check(
        "sum by (job) (rate(http_total{code=~\"5..\"}[5m] offset 1m) * 60)",
        expect![[r##"
            #0 {code=~"5..", __name__="http_total"} Rate 300000ms offset 60000ms | series * 60 | partial sum by (job)
            stage merge sum #0"##]],
    );
    check(
        "-max without (a) (x > 5)",
        expect![[r##"
        #0 {__name__="x"} instant 300000ms | series > 5 | partial max without (a)
        stage map(merge max #0)"##]],
    );
    check(
        "count(count by (a) (x))",
        expect![[r##"
        #0 {__name__="x"} instant 300000ms | partial count by (a)
        stage count(merge count #0)"##]],
    );
}

#[test]
fn what_may_have_equal_labels_after_names_went_is_not_aggregated_remotely() {
    check(
        "sum(rate({job=\"a\"}[5m]))",
        expect![[r##"
        #0 {job="a"} Rate 300000ms
        stage sum(series #0)"##]],
    );
    check(
        "sum({job=\"a\"})",
        expect![[r##"
        #0 {job="a"} instant 300000ms | partial sum by ()
        stage merge sum #0"##]],
    );
    check(
        "rate({job=\"a\"}[5m]) > 1",
        expect![[r##"
        #0 {job="a"} Rate 300000ms
        stage map(series #0)"##]],
    );
    check(
        "sum(last_over_time({job=\"a\"}[5m]))",
        expect![[r##"
        #0 {job="a"} LastOverTime 300000ms | partial sum by ()
        stage merge sum #0"##]],
    );
}

#[test]
fn two_vectors_meet_in_the_final_stage() {
    check(
        "sum by (a) (x) / on (a) y",
        expect![[r##"
        #0 {__name__="x"} instant 300000ms | partial sum by (a)
        #1 {__name__="y"} instant 300000ms
        stage (merge sum #0) / (series #1)"##]],
    );
    check(
        "histogram_quantile(0.9, sum by (le) (rate(h_bucket[1m])))",
        expect![[r##"
            #0 {__name__="h_bucket"} Rate 60000ms | partial sum by (le)
            stage histogram_quantile(merge sum #0)"##]],
    );
}

#[test]
fn scalars_are_folded() {
    check("1 + 2 * -3", expect!["scalar -5"]);
    check("time() - 1", expect!["scalar [5 steps]"]);
    check("vector(time())", expect!["stage vector"]);
    check(
        "1 - x",
        expect![[r##"
        #0 {__name__="x"} instant 300000ms | 1 - series
        stage series #0"##]],
    );
    check(
        "x == bool (1 < bool 2)",
        expect![[r##"
        #0 {__name__="x"} instant 300000ms | series == bool 1
        stage series #0"##]],
    );
}

#[test]
fn samples_and_texts_are_roots() {
    check(
        "(x[5m] offset -1m)",
        expect![[r#"samples {__name__="x"} samples 300000ms offset -60000ms"#]],
    );
    check("\"text\"", expect![[r#"text "text""#]]);
}
