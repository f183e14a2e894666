//! Every place where Prometheus' parser complains: its words, and the bytes that it blames.
//!
//! The blamed bytes stand between `«` and `»`. Where one query has several errors, it is written
//! once for each, in the order in which they are found.

use super::*;

/// The query without its marks, and the bytes between them.
fn unmark(marked: &str) -> (String, Span) {
    let start = marked.find('«').expect("an opening mark");
    let query = marked.replacen('«', "", 1);
    let end = query.find('»').expect("a closing mark");
    let narrow = |n: usize| u32::try_from(n).unwrap();
    (query.replacen('»', "", 1), Span::new(narrow(start), narrow(end)))
}

/// Each group is one query: all that is wrong with it.
fn check_with(options: ParseOptions, groups: &[&[(&str, &str)]]) {
    let mut failures = String::new();
    for group in groups {
        let (query, _) = unmark(group[0].0);
        let expected: Vec<_> = group
            .iter()
            .map(|(marked, message)| {
                let (text, span) = unmark(marked);
                assert_eq!(text, query, "one query a group");
                (span, (*message).to_owned())
            })
            .collect();
        let got: Vec<_> = match parse(&query, &options) {
            Ok(_) => vec![],
            Err(errors) => errors.iter().map(|error| (error.span, error.message.clone())).collect(),
        };
        if got != expected {
            failures += &format!("{query}\n  expected {expected:?}\n  got      {got:?}\n");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn check(groups: &[&[(&str, &str)]]) {
    check_with(ParseOptions::all(), groups);
}

#[test]
fn nothing_and_ends_in_the_middle() {
    check(&[
        &[("«»", "no expression found in input")],
        &[("«» # only a remark\n", "no expression found in input")],
        &[("1 +«»", "unexpected end of input")],
        &[("x /«»", "unexpected end of input")],
        &[("(«»", "unclosed left parenthesis")],
        &[("((x)«»", "unclosed left parenthesis")],
        &[("(x))«»", "unexpected right parenthesis ')'")],
        &[("x{«»", "unexpected end of input inside braces")],
        &[("{«»", "unexpected end of input inside braces")],
        &[("x{a=\"b\"}[«»", "unexpected end of input in duration expression")],
        &[(
            "x[5m] offset«»",
            "unexpected end of input in offset, expected number, duration, step(), or range()",
        )],
        &[("x[5m] @«»", "unexpected end of input in @, expected timestamp")],
        &[
            ("sum(«»", "unclosed left parenthesis"),
            ("«»sum(", "no arguments for aggregate expression provided"),
        ],
        &[
            ("max(abs(«»", "unclosed left parenthesis"),
            ("«»max(abs(", "no arguments for aggregate expression provided"),
        ],
    ]);
}

#[test]
fn tokens_out_of_place() {
    check(&[
        &[("«*»x", "unexpected <op:*>")],
        &[("«@»@", "unexpected <op:@>")],
        &[("-«=»", "unexpected \"=\"")],
        &[("+-+-+«<»", "unexpected <op:<>")],
        &[("x-+«=»/(0)", "unexpected \"=\"")],
        &[("x - on(a) «ignoring»(b) y", "unexpected <ignoring>")],
        &[("x + «group_left»(a) y", "unexpected <group_left>")],
        &[("sum «up» by (a)", "unexpected identifier \"up\"")],
        &[("MIN «keep» (x)", "unexpected identifier \"keep\"")],
        &[("MIN (x) «keep»", "unexpected identifier \"keep\"")],
        &[("sum (x) without (a) «by» (b)", "unexpected <by>")],
        &[("sum without (a) (x) «by» (b)", "unexpected <by>")],
        &[("x «y»", "unexpected identifier \"y\"")],
        &[("x «\"long enough to cut\"»", "unexpected string \"\\\"long enou\"...")],
        &[("x «5m»", "unexpected duration \"5m\"")],
        &[("x«,» y", "unexpected \",\"")],
    ]);
}

#[test]
fn characters_that_begin_nothing() {
    check(&[
        &[("«.»", "unexpected character: '.'")],
        &[("«}»", "unexpected character: '}'")],
        &[("x«}»", "unexpected character: '}'")],
        &[("x «!~ y»", "unexpected character after '!': '~'")],
        &[("x «=~ y»", "unexpected character after '=': '~'")],
        &[("x«]»", "unexpected right bracket ']'")],
        &[("x «; y»", "unexpected character: ';'")],
    ]);
}

#[test]
fn numbers() {
    let long = "7".repeat(310);
    let out_of_range =
        format!("error parsing number: strconv.ParseFloat: parsing \"{long}\": value out of range");
    check(&[
        &[("«7.25.»", "bad number or duration syntax: \"7.25.\"")],
        &[("«10..4»", "bad number or duration syntax: \"10..\"")],
        &[("«0deaf»", "bad number or duration syntax: \"0de\"")],
        &[(&format!("«{long}»"), &out_of_range)],
    ]);
}

#[test]
fn strings() {
    check(&[
        &[("`\\`«`»", "unterminated raw string")],
        &[("«\"\\»", "escape sequence not terminated")],
        &[("«\"\\c\"»", "unknown escape sequence U+0063 'c'")],
        &[("«\"\\x.\"»", "illegal character U+002E '.' in escape sequence")],
        &[("«\"\\U00110000\"»", "escape sequence is an invalid Unicode code point")],
        &[("sum by («\"a)(x{})»", "unterminated quoted string")],
        &[("x{a=«\"\u{fffd}\"}»", "invalid UTF-8 rune")],
        &[
            ("label_join(x, «`\u{fffd}`)»", "invalid UTF-8 rune"),
            ("label_join(x«,» `\u{fffd}`)", "trailing commas not allowed in function call args"),
        ],
    ]);
}

#[test]
fn matchers() {
    let all_empty = "vector selector must contain at least one non-empty matcher";
    check(&[
        &[("x{a=«b»}", "unexpected identifier \"b\" in label matching, expected string")],
        &[("x{a«:b=\"c\"}»", "unexpected character inside braces: ':'")],
        &[("x{a«*\"b\"}»", "unexpected character inside braces: '*'")],
        &[("x{a«>=\"b\"}»", "unexpected character inside braces: '>'")],
        &[("x{«1}»", "unexpected character inside braces: '1'")],
        &[("x{a«}»", "unexpected \"}\" in label matching, expected label matching operator")],
        &[("x{a= «=»}", "unexpected \"=\" in label matching, expected string")],
        &[("x{a =«=» \"b\"}", "unexpected \"=\" in label matching, expected string")],
        &[("x{«,»}", "unexpected \",\" in label matching, expected identifier or \"}\"")],
        &[(
            "x{a=\"b\" «c»}",
            "unexpected identifier \"c\" in label matching, expected \",\" or \"}\"",
        )],
        &[("x{\"a\"=«}»", "unexpected \"}\" in label matching, expected string")],
        &[("«{}»", all_empty)],
        &[("«{a=\"\"}»", all_empty)],
        &[("«{a=~\".*\"}»", all_empty)],
        &[("«{a!~\".+\"}»", all_empty)],
        &[("«{a!=\"b\"}»", all_empty)],
        &[("«x{__name__=\"y\"}»", "metric name must not be set twice: \"x\" or \"y\"")],
        &[("(-«{}»-1)[1m:]", all_empty)],
    ]);
}

#[test]
fn operators() {
    let matching = "vector matching only allowed between instant vectors";
    let set = |op: &str| format!("set operator \"{op}\" not allowed in binary scalar expression");
    let grouping = |op: &str| format!("no grouping allowed for \"{op}\" operation");
    let many = "set operations must always be many-to-many";
    check(&[
        &[("1 «==» 1", "comparisons between scalars must use BOOL modifier")],
        &[("«1 and 1»", &set("and"))],
        &[("«1 or x»", &set("or"))],
        &[("«x unless 1»", &set("unless"))],
        &[("«1 or on(a) x»", matching), ("«1 or on(a) x»", &set("or"))],
        &[("«x == on(a) 10»", matching)],
        &[
            ("«x and on(a) group_left(b) y»", &grouping("and")),
            ("«x and on(a) group_left(b) y»", many),
        ],
        &[
            ("«x or on(a) group_right(b) y»", &grouping("or")),
            ("«x or on(a) group_right(b) y»", many),
        ],
        &[
            ("«x unless on(a) group_left y»", &grouping("unless")),
            ("«x unless on(a) group_left y»", many),
        ],
        &[(
            "x «+ on(a) group_left(b,a)» y",
            "label \"a\" must not occur in ON and GROUP clause at once",
        )],
        &[("x «+ bool» y", "bool modifier can only be used on comparison operators")],
        &[
            ("x «and bool» 10", "bool modifier can only be used on comparison operators"),
            ("«x and bool 10»", &set("and")),
        ],
        &[("«\"a\"» + 1", "binary expression must contain only scalar and instant vector types")],
        &[("x * «y[5m]»", "binary expression must contain only scalar and instant vector types")],
        &[(
            "«-\"a\"»",
            "unary expression only allowed on expressions of type scalar or instant vector, got \"string\"",
        )],
        &[(
            "«-x[5m]»",
            "unary expression only allowed on expressions of type scalar or instant vector, got \"range vector\"",
        )],
        &[("«x + fill(0) 1»", "filling in missing series only allowed between instant vectors")],
        &[("«x and fill(0) y»", "filling in missing series not allowed for set operators")],
    ]);
}

#[test]
fn offsets_and_times() {
    let no_offset = "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery";
    let no_at = "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery";
    check(&[
        &[("«1» offset 1d", no_offset)],
        &[("«x offset 1s» offset 2s", "offset may not be set multiple times")],
        &[("«x offset step()» offset 2s", "offset may not be set multiple times")],
        &[("«rate(x[5m])» @ 1234", no_at)],
        &[("«x @ 1» @ end()", "@ <timestamp> may not be set multiple times")],
        &[("«x» @ +Inf", "timestamp out of bounds for @ modifier: +Inf")],
        &[("«x» @ -Inf", "timestamp out of bounds for @ modifier: -Inf")],
        &[("«x» @ NaN", "timestamp out of bounds for @ modifier: NaN")],
        &[(
            "«x» @ 9223372036854775808",
            "timestamp out of bounds for @ modifier: 9223372036854775808.000000",
        )],
        &[(
            "«x» @ -9223372036854775809",
            "timestamp out of bounds for @ modifier: -9223372036854775808.000000",
        )],
        &[("x[5m] offset «1mm»", "bad number or duration syntax: \"1mm\"")],
        &[("x offset «9.5e10»", "duration out of range")],
        &[("x offset (4d«/»0)", "division by zero")],
    ]);
}

#[test]
fn ranges() {
    let positive = "duration must be greater than 0";
    let selectors = "ranges only allowed for vector selectors";
    let in_bracket = "number, duration, step(), or range()";
    check(&[
        &[("x[«5mm]»", "bad number or duration syntax: \"5mm\"")],
        &[("x[«5m1]»", "bad number or duration syntax: \"5m1\"")],
        &[("x[5m:«1m1]»", "bad number or duration syntax: \"1m1\"")],
        &[("x[«5y1hs»]", "unknown unit \"hs\" in duration \"5y1hs\""), ("x[«5y1hs»]", positive)],
        &[("x[«5m1h»]", "not a valid duration string: \"5m1h\""), ("x[«5m1h»]", positive)],
        &[("x[«5m1m»]", "not a valid duration string: \"5m1m\""), ("x[«5m1m»]", positive)],
        &[("x[«0m»]", positive)],
        &[("x[«-1»]", positive)],
        &[("x[5m:«0s»]", positive)],
        &[("x[«\"5m\"]»", "unexpected character in duration expression: '\"'")],
        &[(
            "x[«]»",
            &format!("unexpected \"]\" in subquery or range selector, expected {in_bracket}"),
        )],
        &[(
            "x[step«]»",
            &format!("unexpected \"]\" in subquery or range selector, expected {in_bracket}"),
        )],
        &[("x[5s «y 5s]»", "unexpected character: 'y', expected ':'")],
        &[("x[5s «s 5s]»", "unexpected character: 's', expected ':'")],
        &[(
            "x[5m «5m»]",
            "unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\"",
        )],
        &[("x[5m:5m «5m»]", "unexpected duration \"5m\" in subquery selector, expected \"]\"")],
        &[(
            "x[5m:+«]»",
            "unexpected \"]\" in subquery selector, expected number, duration, step(), range(), or \"]\"",
        )],
        &[("x offset 1m«[5m]»", "no offset modifiers allowed before range")],
        &[("x offset step()«[5m]»", "no offset modifiers allowed before range")],
        &[("x @ 1234 «[5m]»", "no @ modifiers allowed before range")],
        &[("x @ start() «[5m]»", "no @ modifiers allowed before range")],
        &[("x @ end()«[5m]»", "no @ modifiers allowed before range")],
        &[("(x + y)«[5m]»", selectors)],
        &[("1«[5m]» smoothed", selectors)],
        &[("1«[5m]» anchored", selectors)],
        &[("rate(x[1m])«[1h]» offset 1h", selectors), ("«rate(x[1m])[1h]» offset 1h", selectors)],
        &[("rate(x[1m])«[1h]» @ 100", selectors), ("«rate(x[1m])[1h]» @ 100", selectors)],
        &[(
            "«x[5d] offset 10s [10m:5s]»",
            "subquery is only allowed on instant vector, got matrix instead",
        )],
        &[(
            "«(x + y)[5m:][10m:5s]»",
            "subquery is only allowed on instant vector, got matrix instead",
        )],
        &[("x[step()«/»0d]", "division by zero"), ("«»x[step()/0d]", positive)],
        &[("x[5s«%»0d]", "modulo by zero"), ("«»x[5s%0d]", positive)],
        &[("x[«9.5e10»]", "duration out of range"), ("«»x[9.5e10]", positive)],
        &[("«x[5m] anchored» smoothed", "anchored and smoothed modifiers cannot be used together")],
        &[("«x[5m:]» anchored", "anchored modifier is not supported for subqueries")],
        &[("«sum(x)» smoothed", "smoothed modifier not implemented")],
    ]);
}

#[test]
fn aggregations() {
    let count = "wrong number of arguments for aggregate expression provided, expected 2, got 1";
    check(&[
        &[("sum without(«==»)(x)", "unexpected <op:==> in grouping opts, expected label")],
        &[("sum without(«,»)(x)", "unexpected \",\" in grouping opts, expected label")],
        &[("sum without(a,«,»)(x)", "unexpected \",\" in grouping opts, expected label")],
        &[(
            "sum without(a «b»)(x)",
            "unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
        )],
        &[("sum (x) by «a»", "unexpected identifier \"a\" in grouping opts, expected \"(\"")],
        &[("«sum () by (a)»", "no arguments for aggregate expression provided")],
        &[("«topk(x)»", count)],
        &[
            ("topk(x«,»)", "trailing commas not allowed in function call args"),
            ("«topk(x,)»", count),
        ],
        &[("topk(«x», y)", "expected type scalar in aggregation parameter, got instant vector")],
        &[("count_values(«5», y)", "expected type string in aggregation parameter, got scalar")],
        &[("sum(«1»)", "expected type instant vector in aggregation expression, got scalar")],
        &[(" «sum()» + 1", "no arguments for aggregate expression provided")],
        &[("(«sum()» )", "no arguments for aggregate expression provided")],
    ]);
}

#[test]
fn calls() {
    check(&[
        &[("«nope»()", "unknown function with name \"nope\"")],
        &[("x > «y»()", "unknown function with name \"y\"")],
        &[("«floor()»", "expected 1 argument(s) in call to \"floor\", got 0")],
        &[("«floor(x, 1)»", "expected 1 argument(s) in call to \"floor\", got 2")],
        &[("floor(«1»)", "expected type instant vector in call to function \"floor\", got scalar")],
        &[("«hour(x, x, x)»", "expected at most 1 argument(s) in call to \"hour\", got 3")],
        &[(
            "«label_join(x, \"a\")»",
            "expected at least 3 argument(s) in call to \"label_join\", got 2",
        )],
        &[("«time(x)»", "expected 0 argument(s) in call to \"time\", got 1")],
        &[(
            "rate(«avg»)",
            "expected type range vector in call to function \"rate\", got instant vector",
        )],
        &[("info(x, «y{a=\"b\"}»)", "expected label selectors only, got vector selector instead")],
        &[("info(x, «{a=\"b\"} == 1»)", "expected label selectors only")],
        &[
            (
                "«info(x, 1)»",
                "expected type instant vector in call to function \"info\", got scalar",
            ),
            ("info(x, «1»)", "expected label selectors only"),
            (
                "info(x, «1»)",
                "expected type instant vector in call to function \"info\", got scalar",
            ),
        ],
    ]);
}

#[test]
fn what_is_off() {
    let off = ParseOptions::default();
    check_with(
        off,
        &[
            &[("«info»(x)", "function \"info\" is not enabled")],
            &[("«start»()", "function \"start\" is not enabled")],
            &[(
                "«limitk(1, x)»",
                "limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
            )],
            &[(
                "«limit_ratio(1, x)»",
                "limit_ratio() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
            )],
            &[("«x + fill(0) y»", "binop fill modifiers are experimental and not enabled")],
            &[("«x[5m]» smoothed", "smoothed modifier is experimental and not enabled")],
            &[("«x» anchored", "anchored modifier is experimental and not enabled")],
        ],
    );
    let nothing = ParseOptions::none();
    check_with(
        nothing,
        &[
            &[("x[«5m»+1m]", "experimental duration expression is not enabled")],
            &[("x[(«5m»)]", "experimental duration expression is not enabled")],
        ],
    );
}
