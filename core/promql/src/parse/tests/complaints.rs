//! Prometheus' words for what is wrong, and the place it blames.

use super::super::*;

fn complaint(text: &str) -> String {
    parse(text, &ParseOptions::all()).map_or_else(|errors| errors.to_string(), |ok| ok.to_string())
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let expected = match expected.strip_prefix('?') {
            Some(message) => format!("unknown position: parse error: {message}"),
            None => expected.replacen(' ', ": parse error: ", 1),
        };
        assert_eq!(complaint(text), expected, "{text}");
    }
}

#[test]
fn texts_that_end_too_early() {
    check(&[
        ("", "?no expression found in input"),
        ("# nothing\n\n", "1:1 no expression found in input"),
        ("1 +", "1:4 unexpected end of input"),
        ("x and", "1:6 unexpected end of input"),
        ("(", "1:2 unclosed left parenthesis"),
        ("((x)", "1:5 unclosed left parenthesis"),
        ("(x))", "1:5 unexpected right parenthesis ')'"),
        ("x[5m", "1:5 unclosed left bracket"),
        ("x[", "1:3 unexpected end of input in duration expression"),
        ("x{", "1:3 unexpected end of input inside braces"),
        (
            "x offset",
            "1:9 unexpected end of input in offset, expected number, duration, step(), or range()",
        ),
        ("x @", "1:4 unexpected end of input in @, expected timestamp"),
        ("sum by (a)", "1:11 unexpected end of input in aggregation"),
        ("sum(\n  x\n) +", "3:4 unexpected end of input"),
    ]);
}

#[test]
fn tokens_that_nobody_expects() {
    check(&[
        ("/x", "1:1 unexpected <op:/>"),
        ("x y", "1:3 unexpected identifier \"y\""),
        ("x a:b", "1:3 unexpected metric identifier \"a:b\""),
        ("1 \"a longer text\"", "1:3 unexpected string \"\\\"a longer \"..."),
        ("x = 1", "1:3 unexpected \"=\""),
        ("x 5m", "1:3 unexpected duration \"5m\""),
        ("@@", "1:1 unexpected <op:@>"),
        ("bool", "1:1 unexpected <bool>"),
        ("a:b()", "1:4 unexpected \"(\""),
        ("x + group_left y", "1:5 unexpected <group_left>"),
        ("x + on (a) ignoring (b) y", "1:12 unexpected <ignoring>"),
        ("sum x by (a)", "1:5 unexpected identifier \"x\""),
        ("sum (x) by (a) without (b)", "1:16 unexpected <without>"),
        ("sum (x y)", "1:8 unexpected identifier \"y\" in aggregation"),
        ("sum (rate(x y))", "1:13 unexpected identifier \"y\" in aggregation"),
        ("rate(x y)", "1:8 unexpected identifier \"y\""),
        ("rate(,)", "1:6 unexpected \",\""),
        ("sum by (a) y", "1:12 unexpected identifier \"y\" in aggregation"),
        ("x + fill (y) z", "1:11 unexpected identifier \"y\""),
    ]);
}

#[test]
fn lists_of_labels() {
    check(&[
        ("sum by x (y)", "1:8 unexpected identifier \"x\" in grouping opts, expected \"(\""),
        ("sum by (1) (y)", "1:9 unexpected number \"1\" in grouping opts, expected label"),
        ("sum by (,) (y)", "1:9 unexpected \",\" in grouping opts, expected label"),
        ("sum by (a,,) (y)", "1:11 unexpected \",\" in grouping opts, expected label"),
        (
            "sum by (a b) (y)",
            "1:11 unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
        ),
        ("sum by (\"\") (y)", "1:9 invalid label name for grouping: \"\""),
        ("sum by (without) (y)", "1:9 unexpected <without> in grouping opts, expected label"),
        ("x + on y", "1:8 unexpected identifier \"y\" in grouping opts, expected \"(\""),
    ]);
}

#[test]
fn matchers() {
    check(&[
        ("x{,}", "1:3 unexpected \",\" in label matching, expected identifier or \"}\""),
        ("x{a}", "1:4 unexpected \"}\" in label matching, expected label matching operator"),
        ("x{a=}", "1:5 unexpected \"}\" in label matching, expected string"),
        ("x{a=b}", "1:5 unexpected identifier \"b\" in label matching, expected string"),
        ("x{a==\"b\"}", "1:5 unexpected \"=\" in label matching, expected string"),
        (
            "x{a=\"b\" c}",
            "1:9 unexpected identifier \"c\" in label matching, expected \",\" or \"}\"",
        ),
        ("x{1=\"b\"}", "1:3 unexpected character inside braces: '1'"),
        ("x{{", "1:3 unexpected left brace '{'"),
        ("x{a!b}", "1:4 unexpected character after '!' inside braces: 'b'"),
        ("x{a=~\"(\"}", "1:3 error parsing regexp: missing closing ): `(`"),
        ("x{a=\"\\xff\"}", "1:5 label name or value \"\\xff\" is not UTF-8"),
        ("{}", "1:1 vector selector must contain at least one non-empty matcher"),
        ("{a!=\"b\"}", "1:1 vector selector must contain at least one non-empty matcher"),
        ("{a=~\".*\"}", "1:1 vector selector must contain at least one non-empty matcher"),
        ("x{__name__=\"y\"}", "1:1 metric name must not be set twice: \"x\" or \"y\""),
    ]);
}

#[test]
fn ranges_offsets_and_times() {
    let in_bracket = "number, duration, step(), or range()";
    check(&[
        (
            "x[]",
            &format!("1:3 unexpected \"]\" in subquery or range selector, expected {in_bracket}"),
        ),
        (
            "x[5m 5m]",
            "1:6 unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\"",
        ),
        ("x[5m:5m 5m]", "1:9 unexpected duration \"5m\" in subquery selector, expected \"]\""),
        (
            "x[5m:+]",
            "1:7 unexpected \"]\" in subquery selector, expected number, duration, step(), range(), or \"]\"",
        ),
        ("x[:5m]", "1:4 unexpected colon before duration in duration expression"),
        ("x[5m:5m:5m]", "1:8 unexpected colon ':'"),
        ("x[5m y]", "1:6 unexpected character: 'y', expected ':'"),
        ("x[y]", "1:3 unexpected character in duration expression: 'y'"),
        ("x[\"5m\"]", "1:3 unexpected character in duration expression: '\"'"),
        ("x[[", "1:3 unexpected character in duration expression: '['"),
        ("x[0s]", "1:3 duration must be greater than 0"),
        ("x[-1]", "1:3 duration must be greater than 0"),
        ("x[5m1h]", "1:3 not a valid duration string: \"5m1h\""),
        ("x[1.5h]", "1:3 unknown unit \".\" in duration \"1.5h\""),
        ("x[5mm]", "1:3 bad number or duration syntax: \"5mm\""),
        ("x[1 / 0]", "1:5 division by zero"),
        ("x[1e300]", "1:3 duration out of range"),
        ("x]", "1:2 unexpected right bracket ']'"),
        ("(x)[5m]", "1:4 ranges only allowed for vector selectors"),
        ("x offset 1m [5m]", "1:13 no offset modifiers allowed before range"),
        ("x @ 1 [5m]", "1:7 no @ modifiers allowed before range"),
        (
            "2 offset 3h",
            "1:1 offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("x offset 3m offset 1h", "1:1 offset may not be set multiple times"),
        (
            "rate(x[5m]) @ 1",
            "1:1 @ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
        ),
        ("x @ 1 @ end()", "1:1 @ <timestamp> may not be set multiple times"),
        ("x @ Inf", "1:1 timestamp out of bounds for @ modifier: +Inf"),
        ("x @ step()", "1:5 unexpected \"step\" in @, expected timestamp"),
        ("x[5m] anchored smoothed", "1:1 anchored and smoothed modifiers cannot be used together"),
        ("x[5m:] anchored", "1:1 anchored modifier is not supported for subqueries"),
    ]);
}

#[test]
fn literals() {
    check(&[
        (".", "1:1 unexpected character: '.'"),
        ("7.25.", "1:1 bad number or duration syntax: \"7.25.\""),
        ("9days", "1:1 bad number or duration syntax: \"9da\""),
        (
            "1 + 1e400",
            "1:5 error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range",
        ),
        ("\"abc", "1:1 unterminated quoted string"),
        ("\"a\nb\"", "1:1 unterminated quoted string"),
        ("`abc", "1:1 unterminated raw string"),
        ("\"\\q\"", "1:1 unknown escape sequence U+0071 'q'"),
        ("\"\\x.\"", "1:1 illegal character U+002E '.' in escape sequence"),
        ("\"\\", "1:1 escape sequence not terminated"),
        ("\"\\ud800\"", "1:1 escape sequence is an invalid Unicode code point"),
        ("x § y", "1:3 unexpected character: '§'"),
        ("x !x", "1:3 unexpected character after '!': 'x'"),
        ("x =~ 1", "1:3 unexpected character after '=': '~'"),
    ]);
}

#[test]
fn calls_and_aggregations() {
    check(&[
        ("nope(x)", "1:1 unknown function with name \"nope\""),
        ("Rate(x[5m])", "1:1 unknown function with name \"Rate\""),
        ("rate(x[5m],)", "1:11 trailing commas not allowed in function call args"),
        ("sum()", "1:1 no arguments for aggregate expression provided"),
        (
            "1 + sum(x, y)",
            "1:5 wrong number of arguments for aggregate expression provided, expected 1, got 2",
        ),
        (
            "topk(x)",
            "1:1 wrong number of arguments for aggregate expression provided, expected 2, got 1",
        ),
    ]);
}

#[test]
fn several_mistakes_are_found_in_one_run() {
    let errors = parse("nope(x[0]) + x offset 1 offset 2 + sum()", &ParseOptions::all());
    let texts: Vec<_> = errors.unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "1:8: parse error: duration must be greater than 0",
            "1:1: parse error: unknown function with name \"nope\"",
            "1:14: parse error: offset may not be set multiple times",
            "1:36: parse error: no arguments for aggregate expression provided",
        ]
    );
}
