//! Types and rules of meaning.

use crate::parse::{ParseOptions, parse};

fn complaints(text: &str) -> Vec<String> {
    match parse(text, &ParseOptions::all()) {
        Ok(_) => vec![],
        Err(errors) => {
            errors.iter().map(|error| format!("{} {}", error.position, error.message)).collect()
        }
    }
}

#[test]
fn operands_have_the_types_that_operators_want() {
    let not_numbers = "binary expression must contain only scalar and instant vector types";
    for (text, expected) in [
        ("1 == 1", "1:3 comparisons between scalars must use BOOL modifier"),
        ("x + bool 1", "1:3 bool modifier can only be used on comparison operators"),
        ("\"a\" + 1", &format!("1:1 {not_numbers}")),
        ("x + y[5m]", &format!("1:5 {not_numbers}")),
        ("1 and 1", "1:1 set operator \"and\" not allowed in binary scalar expression"),
        ("x or 1", "1:1 set operator \"or\" not allowed in binary scalar expression"),
        ("x + on (a) 1", "1:1 vector matching only allowed between instant vectors"),
        ("x + fill (0) 1", "1:1 filling in missing series only allowed between instant vectors"),
        ("x and fill (0) y", "1:1 filling in missing series not allowed for set operators"),
        (
            "x + on (a) group_left (a) y",
            "1:3 label \"a\" must not occur in ON and GROUP clause at once",
        ),
        (
            "-\"a\"",
            "1:1 unary expression only allowed on expressions of type scalar or instant vector, \
             got \"string\"",
        ),
        (
            "-x[5m]",
            "1:1 unary expression only allowed on expressions of type scalar or instant vector, \
             got \"range vector\"",
        ),
        ("1[5m:]", "1:1 subquery is only allowed on instant vector, got scalar instead"),
        ("x[5m][5m:]", "1:1 subquery is only allowed on instant vector, got matrix instead"),
    ] {
        assert_eq!(complaints(text), [expected], "{text}");
    }
}

#[test]
fn grouping_has_no_place_in_set_operators() {
    assert_eq!(
        complaints("x and on (a) group_left y"),
        [
            "1:1 no grouping allowed for \"and\" operation",
            "1:1 set operations must always be many-to-many"
        ]
    );
}

#[test]
fn arguments_have_the_types_and_number_that_functions_want() {
    for (text, expected) in [
        ("ceil()", "1:1 expected 1 argument(s) in call to \"ceil\", got 0"),
        ("time(x)", "1:1 expected 0 argument(s) in call to \"time\", got 1"),
        ("hour(x, x, x)", "1:1 expected at most 1 argument(s) in call to \"hour\", got 3"),
        ("label_join(x)", "1:1 expected at least 3 argument(s) in call to \"label_join\", got 1"),
        ("round(x, 1, 2)", "1:1 expected at most 2 argument(s) in call to \"round\", got 3"),
        (
            "1 + rate(x)",
            "1:10 expected type range vector in call to function \"rate\", got instant vector",
        ),
        ("abs(1)", "1:5 expected type instant vector in call to function \"abs\", got scalar"),
        (
            "label_join(x, \"a\", \"b\", \"c\", 1)",
            "1:30 expected type string in call to function \"label_join\", got scalar",
        ),
        ("sum(1)", "1:5 expected type instant vector in aggregation expression, got scalar"),
        ("topk(x, y)", "1:6 expected type scalar in aggregation parameter, got instant vector"),
        ("count_values(5, x)", "1:14 expected type string in aggregation parameter, got scalar"),
    ] {
        assert_eq!(complaints(text), [expected], "{text}");
    }
    for text in ["hour()", "hour(x)", "round(x, 2)", "label_join(x, \"a\", \"b\")"] {
        assert!(complaints(text).is_empty(), "{text}");
    }
}

#[test]
fn the_second_argument_of_info_is_matchers_alone() {
    for text in ["info(x)", "info(x, {a=~\".*\"})", "info(x, {__name__=\"y\"})"] {
        assert!(complaints(text).is_empty(), "{text}");
    }
    for (text, expected) in [
        ("info(x, y)", "1:9 expected label selectors only, got vector selector instead"),
        ("info(x, sum(y))", "1:9 expected label selectors only"),
    ] {
        assert_eq!(complaints(text), [expected], "{text}");
    }
}
