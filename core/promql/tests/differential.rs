//! On the part of the language that both know, the crate `promql-parser` and ours read the same.
//!
//! The other crate keeps no places and prints some literals differently, so what is compared is
//! the tree that its printed form gives when our parser reads it.

use promql::parse::{ParseOptions, parse};
use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// Expressions without what the other crate is known to read or print differently: duration
/// arithmetic, `anchored`, trim operators, literals in seconds.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[a-z]{1,3}_total(\\{[a-c](=|!=|=~|!~)\"[a-z]{1,3}\"\\})?( offset -?[1-9][smhd])?",
        "[1-9][0-9]{0,2}(\\.[1-9])?",
        Just("time()".to_owned()),
    ];
    leaf.prop_recursive(4, 20, 2, |inner| {
        let op =
            prop::sample::select(vec!["+", "-", "*", "/", "%", "^", "atan2", "> bool", "== bool"]);
        let matching = prop::sample::select(vec![
            "and",
            "or",
            "unless",
            "and on (a)",
            "+ ignoring (a, b)",
            "/ on (a) group_left (b)",
        ]);
        let sides = (inner.clone(), inner.clone());
        prop_oneof![
            (sides.clone(), op).prop_map(|((a, b), op)| format!("{a} {op} {b}")),
            (sides, matching).prop_map(|((a, b), op)| format!("({a}) {op} ({b})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("sum by (a, b) ({a})")),
            inner.clone().prop_map(|a| format!("topk without (a) (3, {a})")),
            inner.clone().prop_map(|a| format!("abs({a})")),
            inner.prop_map(|a| format!("max_over_time(({a})[1h:5m])")),
        ]
    })
}

proptest! {
    #[test]
    fn both_accept_the_same_and_read_it_alike(text in expressions()) {
        let ours = parse(&text, &ParseOptions::all());
        let theirs = promql_parser::parser::parse(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}: {:?} {:?}", text, ours, theirs);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            let printed = theirs.to_string();
            let again = parse(&printed, &ParseOptions::all());
            prop_assert!(again.is_ok(), "{}: {:?}", printed, again);
            prop_assert_eq!(again.map(|again| again.to_string()), Ok(ours.to_string()));
        }
    }
}
