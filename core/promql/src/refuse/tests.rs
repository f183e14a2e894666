//! What the engine executes passes; everything else is named and placed.

use super::*;
use crate::ast::ValueType;
use crate::functions::FUNCTIONS;
use crate::parse::{ParseOptions, parse};

fn refusal(text: &str) -> Result<(), String> {
    let expr = parse(text, &ParseOptions::all()).unwrap();
    refuse(text, &expr).map_err(|errors| errors.to_string())
}

#[test]
fn what_can_be_executed_passes() {
    for text in [
        "1",
        "\"text\"",
        "x",
        "x[5m]",
        "(x[5m] offset 1h)",
        "x offset -5m",
        "-x",
        "rate(x[5m])",
        "rate((x[5m]))",
        "quantile_over_time(-(0.5), x[5m])",
        "sum by () (increase(x[1h]))",
        "stdvar without (a) (x) * 2 ^ time()",
        "x / on (a) y",
        "x > bool ignoring (a) y atan2 z",
        "vector(time() % 60)",
        "1 < bool 2",
        "histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))",
    ] {
        assert_eq!(refusal(text), Ok(()), "{text}");
    }
}

#[test]
fn what_cannot_be_executed_is_refused_in_its_place() {
    for (text, place, what) in [
        ("x @ 1", "1:1", "@"),
        ("1 + x @ start()", "1:5", "@ start()"),
        ("x[5m] anchored", "1:1", "anchored"),
        ("x offset step()", "1:10", "a computed duration"),
        ("rate(x[5m + 1m])", "1:8", "a computed duration"),
        ("rate(x[5m:1m])", "1:6", "a subquery"),
        ("x[5m:1m]", "1:1", "a subquery"),
        ("x and y", "1:3", "operator and"),
        ("x </ 1", "1:3", "operator </"),
        ("x * on (a) group_left y", "1:3", "group_left"),
        ("x + fill (0) y", "1:3", "fill"),
        ("topk(1, x)", "1:1", "topk()"),
        ("scalar(x)", "1:1", "scalar()"),
        ("1 + abs(x)", "1:5", "abs()"),
        ("quantile_over_time(time(), x[5m])", "1:20", "a quantile that is not a number"),
    ] {
        let expected = format!("{place}: parse error: {what} is not supported yet");
        assert_eq!(refusal(text), Err(expected), "{text}");
    }
}

#[test]
fn all_that_is_unsupported_is_listed() {
    let text = "topk(1, x @ 1) or abs(y[1h:])";
    let text = text.replace("abs(", "max_over_time(");
    let expr = parse(&text, &ParseOptions::all()).unwrap();
    let things: Vec<_> =
        refuse(&text, &expr).unwrap_err().iter().map(|error| error.message.clone()).collect();
    let expected =
        ["operator or", "topk()", "@", "a subquery"].map(|it| format!("{it} is not supported yet"));
    assert_eq!(things, expected);
}

/// A call of `function` with as few arguments as it takes, each of the right type.
fn smallest_call(function: &Function) -> String {
    let args: Vec<_> = function
        .args
        .iter()
        .map(|wanted| match wanted {
            ValueType::Scalar => "0.5",
            ValueType::String => "\"a\"",
            ValueType::Vector => "{a=\"b\"}",
            ValueType::Matrix => "x[5m]",
        })
        .collect();
    format!("{}({})", function.name, args.join(", "))
}

#[test]
fn a_function_is_executed_or_refused_by_name() {
    let (mut executed, mut refused) = (0, 0);
    for function in FUNCTIONS {
        let expected = format!("1:1: parse error: {}() is not supported yet", function.name);
        match refusal(&smallest_call(function)) {
            Ok(()) => executed += 1,
            Err(message) => {
                assert_eq!(message, expected);
                refused += 1;
            }
        }
    }
    assert_eq!((executed, refused), (22, 68));
}

#[test]
fn what_stands_beside_a_refused_function_does_not_hide_it() {
    for function in FUNCTIONS {
        let call = smallest_call(function);
        if refusal(&call).is_ok() || function.returns == ValueType::Scalar {
            continue;
        }
        for around in ["-CALL", "(CALL)", "CALL + 1", "x * on (a) CALL", "sum by (a) (CALL)"] {
            let text = around.replace("CALL", &call);
            let expected = format!("{}() is not supported yet", function.name);
            assert!(refusal(&text).unwrap_err().ends_with(&expected), "{text}");
        }
    }
}
