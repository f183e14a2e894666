//! Trees, places and complaints of the parser, and what it does with texts that mean no good.

use expect_test::{Expect, expect};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::*;
use crate::ast::{Expr, ExprKind};
use crate::json::describe;
use crate::pretty::Pretty;
use crate::refuse::refuse;

mod blame;
mod complaints;

/// The tree, one node a line, each with the text that its span covers.
fn tree(text: &str, expr: &Expr, depth: usize) -> String {
    let (name, children): (String, Vec<&Expr>) = match &expr.kind {
        ExprKind::Number { value, .. } => (format!("number {value}"), vec![]),
        ExprKind::String(value) => (format!("string {value:?}"), vec![]),
        ExprKind::Bytes(value) => (format!("bytes {value:?}"), vec![]),
        ExprKind::Paren(inner) => ("paren".to_owned(), vec![inner]),
        ExprKind::Unary { is_negative, inner } => {
            (format!("unary {}", if *is_negative { '-' } else { '+' }), vec![inner])
        }
        ExprKind::Binary(binary) => {
            let op = &text[binary.op_span.start as usize..binary.op_span.end as usize];
            assert_eq!(op.to_lowercase(), binary.op.as_str());
            (format!("binary {op}"), vec![&binary.left, &binary.right])
        }
        ExprKind::Aggregate(aggregate) => (
            format!("aggregate {}", aggregate.op.as_str()),
            aggregate.param.iter().chain([&aggregate.inner]).collect(),
        ),
        ExprKind::Call { function, args } => {
            (format!("call {}", function.name), args.iter().collect())
        }
        ExprKind::Vector(_) => ("vector".to_owned(), vec![]),
        ExprKind::Matrix { selector_span, range, .. } => {
            let part = |span: Span| &text[span.start as usize..span.end as usize];
            (format!("matrix of {} over {}", part(*selector_span), part(range.span)), vec![])
        }
        ExprKind::Subquery(subquery) => ("subquery".to_owned(), vec![&subquery.inner]),
    };
    let covered = &text[expr.span.start as usize..expr.span.end as usize];
    let mut out = format!("{:indent$}{name}: {covered}\n", "", indent = 2 * depth);
    for child in children {
        out += &tree(text, child, depth + 1);
    }
    out
}

fn check(text: &str, expected: &Expect) {
    let expr = parse(text, &ParseOptions::all()).unwrap();
    expected.assert_eq(&tree(text, &expr, 0));
}

#[test]
fn operators_bind_as_in_prometheus() {
    check(
        "-1 ^ 2 * a + b or c and d unless e",
        &expect![[r#"
            binary or: -1 ^ 2 * a + b or c and d unless e
              binary +: -1 ^ 2 * a + b
                binary *: -1 ^ 2 * a
                  unary -: -1 ^ 2
                    binary ^: 1 ^ 2
                      number 1: 1
                      number 2: 2
                  vector: a
                vector: b
              binary unless: c and d unless e
                binary and: c and d
                  vector: c
                  vector: d
                vector: e
        "#]],
    );
    check(
        "2 ^ 3 ^ -1 atan2 2 == bool 3 % 4",
        &expect![[r#"
            binary ==: 2 ^ 3 ^ -1 atan2 2 == bool 3 % 4
              binary atan2: 2 ^ 3 ^ -1 atan2 2
                binary ^: 2 ^ 3 ^ -1
                  number 2: 2
                  binary ^: 3 ^ -1
                    number 3: 3
                    number -1: -1
                number 2: 2
              binary %: 3 % 4
                number 3: 3
                number 4: 4
        "#]],
    );
}

#[test]
fn spans_cover_modifiers_and_leave_blanks_out() {
    check(
        " SUM by (a) ( rate( x{b=\"c\"} [5m] offset -1m )) / (1h) # why",
        &expect![[r#"
            binary /: SUM by (a) ( rate( x{b="c"} [5m] offset -1m )) / (1h)
              aggregate sum: SUM by (a) ( rate( x{b="c"} [5m] offset -1m ))
                call rate: rate( x{b="c"} [5m] offset -1m )
                  matrix of x{b="c"} over 5m: x{b="c"} [5m] offset -1m
              paren: (1h)
                number 3600: 1h
        "#]],
    );
    check(
        "topk(3, max_over_time(rate(x[1m])[1h:5m] @ end())) without (a)",
        &expect![[r#"
            aggregate topk: topk(3, max_over_time(rate(x[1m])[1h:5m] @ end())) without (a)
              number 3: 3
              call max_over_time: max_over_time(rate(x[1m])[1h:5m] @ end())
                subquery: rate(x[1m])[1h:5m] @ end()
                  call rate: rate(x[1m])
                    matrix of x over 1m: x[1m]
        "#]],
    );
}

#[test]
fn keywords_are_names_where_nothing_else_is_meant() {
    check(
        "sum(sum) + by + anchored{on=\"1\"} + fill + step",
        &expect![[r#"
            binary +: sum(sum) + by + anchored{on="1"} + fill + step
              binary +: sum(sum) + by + anchored{on="1"} + fill
                binary +: sum(sum) + by + anchored{on="1"}
                  binary +: sum(sum) + by
                    aggregate sum: sum(sum)
                      vector: sum
                    vector: by
                  vector: anchored{on="1"}
                vector: fill
              vector: step
        "#]],
    );
}

#[test]
fn arithmetic_behind_an_offset_is_not_part_of_it() {
    check(
        "a offset 1m + 2 ^ b offset -(2 * 1m)",
        &expect![[r#"
            binary +: a offset 1m + 2 ^ b offset -(2 * 1m)
              vector: a offset 1m
              binary ^: 2 ^ b offset -(2 * 1m)
                number 2: 2
                vector: b offset -(2 * 1m)
        "#]],
    );
}

#[test]
fn durations_are_milliseconds_when_known() {
    for (text, expected_ms) in [
        ("x offset 5m", 300_000),
        ("x offset -1h30m", -5_400_000),
        ("x offset +1.5", 1_500),
        ("x offset 0.0004", 0),
        ("x offset 0x10", 16_000),
    ] {
        let expr = parse(text, &ParseOptions::all()).unwrap();
        let ExprKind::Vector(selector) = expr.kind else { panic!("{text} is no vector") };
        let expected = crate::ast::DurationKind::Literal(expected_ms);
        assert_eq!(selector.offset.unwrap().kind, expected, "{text}");
    }
}

#[test]
fn selectors_alone_have_matchers_and_nothing_else() {
    let shown = |text: &str| match parse_selector(text) {
        Ok(matchers) => format!("{matchers:?}"),
        Err(errors) => errors.to_string(),
    };
    for (text, expected) in [
        ("up", "[__name__=\"up\"]"),
        ("up{job!=\"a\"}", "[job!=\"a\", __name__=\"up\"]"),
        ("{\"my.metric\", \"my.label\"=~\"a.*\"}", "[__name__=\"my.metric\", my.label=~\"a.*\"]"),
        ("{}", "[]"),
        ("up[5m]", "1:3: parse error: unexpected \"[\""),
        ("sum(up)", "1:4: parse error: unexpected \"(\""),
        ("1", "1:1: parse error: unexpected number \"1\""),
        ("", "unknown position: parse error: unexpected end of input"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn features_are_off_unless_asked_for() {
    for (text, feature, complaint) in [
        (
            "limitk(1, x)",
            Feature::ExperimentalFunctions,
            "1:1: parse error: limitk() is experimental and must be enabled with \
             --enable-feature=promql-experimental-functions",
        ),
        (
            "info(x)",
            Feature::ExperimentalFunctions,
            "1:1: parse error: function \"info\" is not enabled",
        ),
        (
            "x + fill(0) y",
            Feature::FillModifiers,
            "1:1: parse error: binop fill modifiers are experimental and not enabled",
        ),
        (
            "rate(x[5m] smoothed)",
            Feature::ExtendedRangeSelectors,
            "1:6: parse error: smoothed modifier is experimental and not enabled",
        ),
    ] {
        let options = ParseOptions::default();
        assert_eq!(parse(text, &options).unwrap_err().to_string(), complaint);
        assert!(parse(text, &options.with(feature)).is_ok(), "{text}");
    }
    assert!(parse("x[5m + 1m]", &ParseOptions::default()).is_ok());
}

/// Parses, walks, copies, compares, prints, refuses and drops on a stack of 2 MiB, the size of a
/// runtime worker's.
fn survive(text: String) -> Result<(), String> {
    let life = move || {
        let expr = parse(&text, &ParseOptions::all()).map_err(|errors| errors.to_string())?;
        assert_eq!(expr, expr.clone());
        assert_eq!(format!("{expr:?}").is_empty(), expr.to_string().is_empty());
        let _ = (expr.value_type(), refuse(&text, &expr));
        assert!(!describe(&expr).to_string().is_empty());
        assert!(!Pretty::new(&expr).to_string().is_empty());
        Ok(())
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(life).unwrap().join().unwrap()
}

/// Texts that nest `n` levels, each in its own way.
fn nests(n: usize) -> Vec<String> {
    let around = |before: &str, inside: &str, after: &str| {
        format!("{}{inside}{}", before.repeat(n), after.repeat(n))
    };
    vec![
        around("(", "1", ")"),
        around("-", "x", ""),
        around("", "1", "+1"),
        around("", "1", "^1"),
        around("sum(", "x", ")"),
        around("sum by (a) (1 + ", "x", ")"),
        around("abs(", "x", ")"),
        around("clamp(", "x", ", 1, 2)"),
        around("max_over_time(", "x", "[1m:])"),
        format!("x[{}]", around("(", "1", ")")),
        format!("x[{}]", around("-", "1", "")),
        format!("x[{}]", around("", "1", "+1")),
        format!("x[{}]", around("min_of(1,", "1", ")")),
        format!("x offset {}", around("-(", "1", ")")),
    ]
}

#[test]
fn what_is_just_not_too_deep_survives_on_a_small_stack() {
    for way in 0..nests(1).len() {
        let is_accepted = |n: &usize| parse(&nests(*n)[way], &ParseOptions::all()).is_ok();
        let n = (1..=DEPTH_MAX as usize).rev().find(is_accepted).unwrap();
        let text = nests(n).swap_remove(way);
        let start = text[..20].to_owned();
        assert!(n >= DEPTH_MAX as usize / 3, "{n} levels of {start}");
        assert_eq!(survive(text), Ok(()), "{n} levels of {start}");
    }
}

#[test]
fn what_is_too_deep_is_refused_and_nothing_overflows() {
    for text in nests(100_000) {
        let start = text[..20].to_owned();
        let error = survive(text).unwrap_err();
        assert!(
            error.contains("expression nested too deeply: the limit is 300 levels")
                || error.contains("subquery is only allowed")
                || error.contains("query too long"),
            "{start}: {error}"
        );
    }
}

#[test]
fn the_longest_text_is_a_mebibyte() {
    let fits = format!("\"{}\"", "a".repeat(QUERY_BYTES_MAX - 2));
    assert!(parse(&fits, &ParseOptions::default()).is_ok());
    let error = parse(&format!("{fits} "), &ParseOptions::default()).unwrap_err().to_string();
    assert_eq!(error, "1:1: parse error: query too long: 1048577 bytes exceed 1048576");
    assert!(parse_selector(&format!("{fits} ")).is_err());
    for text in ["(", "-", "1+", "x{"] {
        let text = text.repeat((10 << 20) / text.len());
        assert!(survive(text).unwrap_err().contains("query too long"));
    }
}

#[test]
fn bombs_of_regular_expressions_are_refused() {
    let alternatives = vec!["[a-z]{50}x?"; 20_000].join("|");
    for bomb in ["(a{1000}){1000}", "((a{100}){100}){100}", "(?i)(\\\\pL{200}){200}", &alternatives]
    {
        let text = format!("x{{a=~\"{bomb}\"}}");
        let error = survive(text).unwrap_err();
        assert!(error.starts_with("1:3: parse error: error parsing regexp: "), "{error:.100}");
    }
    let nested = format!("x{{a=~\"{}\"}}", "(".repeat(100_000) + "a" + &")".repeat(100_000));
    assert!(survive(nested).is_err());
}

/// What Prometheus accepts, and how it prints it.
#[test]
fn words_of_the_language_are_names_elsewhere() {
    for (text, expected) in [
        ("offset{step=\"1s\"}[5m]", "offset{step=\"1s\"}[5m]"),
        ("step{offset=\"1s\"}[5m]", "step{offset=\"1s\"}[5m]"),
        ("start{end=\"a\"}", "start{end=\"a\"}"),
        ("anchored{on=\"a\"}", "anchored{on=\"a\"}"),
        ("smoothed smoothed", "smoothed smoothed"),
        ("x{NaN='a', by='}'}", "x{NaN=\"a\",by=\"}\"}"),
        (
            "sum without(and, by, avg, count, alert, bool, on, offset, start)(x)",
            "sum without (and, by, avg, count, alert, bool, on, offset, start) (x)",
        ),
        ("foo * sum", "foo * sum"),
        ("x unless on(start, end) group", "x unless on (start, end) group"),
        ("min_of + max_of + range", "min_of + max_of + range"),
        ("min_of(1, 2) + start() + step()", "min_of(1, 2) + start() + step()"),
        ("fill + fill_left", "fill + fill_left"),
        ("{'a\\'b', 'c\\\\d'='e'}", "{\"c\\\\d\"=\"e\",__name__=\"a'b\"}"),
        ("{__name__=\"a\", __name__=\"b\"}", "{__name__=\"a\",__name__=\"b\"}"),
        ("x @ .3", "x @ 0.300"),
        ("x @ 0xA offset 1m30ms", "x @ 10.000 offset 1m30ms"),
        ("x @ 3.3335", "x @ 3.334"),
        ("x[4.18] @ 1m", "x[4s180ms] @ 60.000"),
        ("+1 + -0755 * 5e-3", "1 + -493 * 0.005"),
        ("x offset 1m [10m:5s]", "x offset 1m[10m:5s]"),
        ("x @ end() [10m:]", "x @ end()[10m:]"),
    ] {
        let expr = parse(text, &ParseOptions::all()).map(|expr| expr.to_string());
        assert_eq!(expr, Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn a_text_cannot_buy_memory_cheaply() {
    let repeated = |what: &str, n: usize| vec![what; n].join(",");
    let refusal = |text: &str| parse(text, &ParseOptions::all()).unwrap_err().to_string();
    let many = format!("abs({})", repeated("1", 500_000));
    let expected = "1:40003: parse error: expression too large: more than 20000 operands";
    assert_eq!(refusal(&many), expected);
    let at_most = format!("sort_by_label(x, {})", repeated("\"a\"", 19_998));
    assert!(parse(&at_most, &ParseOptions::all()).is_ok());

    assert!(parse(&format!("x{{{}}}", repeated("a=~\"b\"", 128)), &ParseOptions::all()).is_ok());
    let many = format!("x{{{}}}", repeated("a=~\"b\"", 50_000));
    let expected = "1:905: parse error: too many regular expressions: the limit is 128 in a query";
    assert_eq!(refusal(&many), expected);
    let large = format!("x{{{}}}", repeated("a=~\"\\\\pL{1000}\"", 50_000));
    let expected = "1:3: parse error: error parsing regexp: \
                    Compiled regex exceeds size limit of 1048576 bytes: `\\pL{1000}`";
    assert_eq!(refusal(&large), expected);
}

#[test]
fn many_mistakes_are_reported_up_to_a_bound() {
    let text = format!("abs({})", vec!["nope()"; 50_000].join(","));
    let errors = parse(&text, &ParseOptions::default()).unwrap_err();
    assert_eq!(errors.iter().count(), 20);
    assert_eq!(errors.to_string(), "1:5: parse error: unknown function with name \"nope\"");
}

/// Expressions from a small part of the grammar that covers every kind of node.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("x".to_owned()),
        Just("{\"a b\"}".to_owned()),
        "[a-z]{1,3}\\{l(=|!=|=~|!~)\"[a-z]{0,3}\"\\}",
        "[0-9]{1,3}(\\.[0-9]{1,2})?",
        "x( @ [0-9]{1,3}(\\.[0-9]{1,4})?)? offset -?[1-9][smh]",
        Just("rate(x[5m + step()] anchored)".to_owned()),
        Just("\"a\\n\\xff\"".to_owned()),
        Just("time()".to_owned()),
        Just("x[1m] @ start()".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let op = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            "atan2",
            "==",
            "!= bool",
            "<",
            "and",
            "or on (a)",
            "unless",
            "* ignoring (a, \"b c\")",
            "/ on () group_left (d)",
            "</",
            ">/",
            "+ on (a) fill_left (-1)",
            "- fill (NaN)",
        ]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("sum without (a,) ({a})")),
            inner.clone().prop_map(|a| format!("quantile by (le) (0.9, {a})")),
            inner.clone().prop_map(|a| format!("abs({a})")),
            inner.prop_map(|a| format!("sum_over_time(({a})[1h:] offset 1d)")),
        ]
    })
}

/// The tree without its places.
fn shape(expr: &Expr) -> String {
    let spans = regex::Regex::new(r"Span \{ start: \d+, end: \d+ \}").unwrap();
    spans.replace_all(&format!("{expr:?}"), "_").into_owned()
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = parse(&text, &ParseOptions::all());
        let _ = parse_selector(&text);
    }

    #[test]
    fn no_soup_of_tokens_panics(
        tokens in prop::collection::vec(
            prop::sample::select(vec![
                "sum", "by", "(", ")", "{", "}", "[", "]", "5m", "1", ":", ",", "x", "=", "=~",
                "\"a\"", "@", "start", "offset", "-", "+", "^", "on", "group_left", "bool",
                "step", "min_of", "rate", "and", "fill", "anchored", "#", "\n", "!", "'", "`", "é",
            ]),
            0..40,
        )
    ) {
        let text = tokens.join(" ");
        if let Ok(expr) = parse(&text, &ParseOptions::all()) {
            let _ = (refuse(&text, &expr), describe(&expr));
            let pretty = Pretty::new(&expr).to_string();
            prop_assert_eq!(parse(&pretty, &ParseOptions::all()).map(|e| e.to_string()), Ok(expr.to_string()));
        }
    }

    #[test]
    fn printing_and_parsing_again_gives_the_same_tree(text in expressions()) {
        let Ok(expr) = parse(&text, &ParseOptions::all()) else { return Ok(()) };
        let printed = expr.to_string();
        let again = parse(&printed, &ParseOptions::all());
        prop_assert_eq!(again.as_ref().map(shape), Ok(shape(&expr)), "{}", printed);
        prop_assert_eq!(again.map(|again| again.to_string()), Ok(printed));
        let pretty = Pretty::new(&expr).to_string();
        let again = parse(&pretty, &ParseOptions::all());
        prop_assert_eq!(again.as_ref().map(shape), Ok(shape(&expr)), "{}", pretty);
    }
}
