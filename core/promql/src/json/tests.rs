//! Trees described as Prometheus describes them.

use super::*;
use crate::parse::{ParseOptions, parse};

fn json(text: &str) -> String {
    describe(&parse(text, &ParseOptions::all()).unwrap()).to_string()
}

const X: &str = r#"{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"x"}],"name":"x","offset":0,"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"vectorSelector"}"#;

#[test]
fn literals_signs_and_parentheses() {
    for (text, expected) in [
        ("1h", r#"{"type":"numberLiteral","val":"3600"}"#),
        ("-Inf", r#"{"type":"numberLiteral","val":"-Inf"}"#),
        ("1e-7", r#"{"type":"numberLiteral","val":"0.0000001"}"#),
        ("\"a\\n<\\\"\\u0001\"", r#"{"type":"stringLiteral","val":"a\n\u003c\"\u0001"}"#),
        ("(1)", r#"{"expr":{"type":"numberLiteral","val":"1"},"type":"parenExpr"}"#),
        ("-x", &format!(r#"{{"expr":{X},"op":"-","type":"unaryExpr"}}"#)),
        ("x", X),
    ] {
        assert_eq!(json(text), expected, "{text}");
    }
}

#[test]
fn selectors_and_subqueries() {
    for (text, expected) in [
        (
            "{\"a.b\", l!~\"c\"} @ start() offset -1m",
            r#"{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"a.b"},{"name":"l","type":"!~","value":"c"}],"name":"","offset":-60000,"smoothed":false,"startOrEnd":"start","timestamp":null,"type":"vectorSelector"}"#,
        ),
        (
            "x[5m] smoothed @ 1.5",
            r#"{"anchored":false,"matchers":[{"name":"__name__","type":"=","value":"x"}],"name":"x","offset":0,"range":300000,"smoothed":true,"startOrEnd":null,"timestamp":1500,"type":"matrixSelector"}"#,
        ),
        (
            "x[1h:step()] @ end()",
            &format!(
                r#"{{"expr":{X},"offset":0,"range":3600000,"startOrEnd":"end","step":0,"timestamp":null,"type":"subquery"}}"#
            ),
        ),
    ] {
        assert_eq!(json(text), expected, "{text}");
    }
}

#[test]
fn operators_aggregations_and_calls() {
    let one = r#"{"type":"numberLiteral","val":"1"}"#;
    for (text, expected) in [
        (
            "x <= bool 1",
            format!(
                r#"{{"bool":true,"lhs":{X},"matching":null,"op":"\u003c=","rhs":{one},"type":"binaryExpr"}}"#
            ),
        ),
        (
            "x + on(a) group_left(b) fill_right(NaN) x",
            format!(
                r#"{{"bool":false,"lhs":{X},"matching":{{"card":"many-to-one","fillValues":{{"lhs":null,"rhs":"NaN"}},"include":["b"],"labels":["a"],"on":true}},"op":"+","rhs":{X},"type":"binaryExpr"}}"#
            ),
        ),
        (
            "x or x",
            format!(
                r#"{{"bool":false,"lhs":{X},"matching":{{"card":"many-to-many","fillValues":{{"lhs":null,"rhs":null}},"include":[],"labels":[],"on":false}},"op":"or","rhs":{X},"type":"binaryExpr"}}"#
            ),
        ),
        (
            "topk without (a) (1, x)",
            format!(
                r#"{{"expr":{X},"grouping":["a"],"op":"topk","param":{one},"type":"aggregation","without":true}}"#
            ),
        ),
        (
            "sum(x)",
            format!(
                r#"{{"expr":{X},"grouping":[],"op":"sum","param":null,"type":"aggregation","without":false}}"#
            ),
        ),
        (
            "round(x)",
            format!(
                r#"{{"args":[{X}],"func":{{"argTypes":["vector","scalar"],"name":"round","returnType":"vector","variadic":1}},"type":"call"}}"#
            ),
        ),
        (
            "label_join(x, \"\", \"\")",
            format!(
                r#"{{"args":[{X},{{"type":"stringLiteral","val":""}},{{"type":"stringLiteral","val":""}}],"func":{{"argTypes":["vector","string","string","string"],"name":"label_join","returnType":"vector","variadic":-1}},"type":"call"}}"#
            ),
        ),
    ] {
        assert_eq!(json(text), expected, "{text}");
    }
}
