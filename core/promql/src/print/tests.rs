//! Printed forms are Prometheus' and can be read back.

use crate::parse::{ParseOptions, parse};

#[test]
fn expressions_print_in_prometheus_form() {
    for (text, expected) in [
        ("SUM(X)by(a,b)", "sum by (a, b) (X)"),
        ("sum(x) by ()", "sum(x)"),
        ("sum without () (x)", "sum without () (x)"),
        ("topk by(a)(3,x)", "topk by (a) (3, x)"),
        ("x{b=\"2\",a='1'}", "x{a=\"1\",b=\"2\"}"),
        ("{\"a.b\"}", "{__name__=\"a.b\"}"),
        ("{__name__=~\"a.*\", \"l.m\"!=\"\"}", "{\"l.m\"!=\"\",__name__=~\"a.*\"}"),
        ("sum by (\"a b\", sum, \"without\") (x)", "sum by (\"a b\", sum, \"without\") (x)"),
        ("x[60s]offset -90s", "x[1m] offset -1m30s"),
        ("x offset 0", "x"),
        ("x@1.5 offset 1h", "x @ 1.500 offset 1h"),
        ("x @ -0.001", "x @ -0.001"),
        ("x[1h:5m]@end()", "x[1h:5m] @ end()"),
        ("x[1h:]", "x[1h:]"),
        ("x[5m] smoothed @ 1", "x[5m] smoothed @ 1.000"),
        ("x anchored offset 1m @ 1", "x @ 1.000 anchored offset 1m"),
        ("x[(5)] offset -(5)", "x[(5)] offset -(5)"),
        ("x[5m] offset (-1^2)", "x[5m] offset (-1 ^ 2)"),
        ("x[11s+10s-5*2^2]", "x[11s + 10s - 5 * 2 ^ 2]"),
        ("x[-(10s-5s)+20s:1s*2]", "x[-(10s - 5s) + 20s:1s * 2]"),
        ("x offset -max_of(range(),5)", "x offset -max_of(range(), 5)"),
        ("a+fill_left(1e6)fill_right(-0.00001)b", "a + fill_left (1e+06) fill_right (-1e-05) b"),
        ("a+fill(123456)b", "a + fill (123456) b"),
        ("a+fill(-Inf)b", "a + fill (-Inf) b"),
        ("x[step()*2+min_of(1m,(range()))]", "x[step() * 2 + min_of(1m, (range()))]"),
        ("x offset -step()", "x offset -step()"),
        ("1e3+0x1F+017+1_000", "1000 + 31 + 15 + 1000"),
        ("1h+-5m", "1h + -5m"),
        ("- - 1", "1"),
        ("inf/NaN/-Inf", "+Inf / NaN / -Inf"),
        ("-2^2", "-2 ^ 2"),
        ("a==bool on(x)b", "a == bool on (x) b"),
        ("a*ignoring()group_left b", "a * ignoring () group_left () b"),
        ("a/on(x)group_right(y)b", "a / on (x) group_right (y) b"),
        ("a+fill(1)b", "a + fill (1) b"),
        ("a+fill_right(2)fill_left(1)b", "a + fill_left (1) fill_right (2) b"),
        ("h>/0.5", "h >/ 0.5"),
        ("'it\\'s'", "\"it's\""),
        ("\"\\xff\\n\"", "\"\\xff\\n\""),
        (
            "label_replace(x,\"a\",`$1`,\"b\",\"(.*)\")",
            "label_replace(x, \"a\", \"$1\", \"b\", \"(.*)\")",
        ),
    ] {
        let expr = parse(text, &ParseOptions::all()).unwrap();
        assert_eq!(expr.to_string(), expected, "{text}");
        let again = parse(expected, &ParseOptions::all()).unwrap();
        assert_eq!(again.to_string(), expected);
    }
}
