//! Why a regular expression does not compile, in the words of Go's compiler, which Prometheus
//! passes on (`regexp/syntax: Error`).
//!
//! Our compiler draws a picture: the expression, carets under the culprit, and the reason in the
//! last line. Reasons that Go has no words for stay as they are.

/// `error parsing regexp: <reason>: <culprit>`
pub(super) fn complaint(expression: &str, picture: &str) -> String {
    let last = picture.lines().last().unwrap_or_default();
    let reason = last.trim_start_matches("error: ").trim_end_matches('.');
    let culprit = culprit(expression, picture);
    let (reason, culprit) = match reason {
        "unclosed group" => ("missing closing )", expression),
        "unopened group" => ("unexpected )", expression),
        "unclosed character class" => ("missing closing ]", &expression[culprit.0..]),
        "repetition operator missing expression" => {
            ("missing argument to repetition operator", culprit.1)
        }
        "unrecognized escape sequence" | "backreferences are not supported" => {
            ("invalid escape sequence", culprit.1)
        }
        "incomplete escape sequence, reached end of pattern prematurely" => {
            ("trailing backslash at end of expression", "")
        }
        "look-around, including look-ahead and look-behind, is not supported" => {
            ("invalid or unsupported Perl syntax", culprit.1)
        }
        "invalid character class range, the start must be <= the end" => {
            ("invalid character class range", culprit.1)
        }
        "invalid repetition count range, the start must be <= the end" => {
            ("invalid repeat count", culprit.1)
        }
        other => (other, expression),
    };
    format!("error parsing regexp: {reason}: `{culprit}`")
}

/// Where the carets of the picture begin, and what stands above them. The picture shows an
/// expression of one line behind four blanks, and between the anchors that matchers put around it;
/// of a longer one everything is taken.
fn culprit<'a>(expression: &'a str, picture: &str) -> (usize, &'a str) {
    let everything = (0, expression);
    let mut lines = picture.lines().skip_while(|line| !line.contains(expression));
    let (Some(above), Some(carets)) = (lines.next(), lines.next()) else { return everything };
    let Some(carets) = above.find(expression).and_then(|at| carets.get(at..)) else {
        return everything;
    };
    let byte_at = |char_at: usize| {
        expression.char_indices().nth(char_at).map_or(expression.len(), |(at, _)| at)
    };
    match (carets.find('^'), carets.rfind('^')) {
        (Some(first), Some(last)) => {
            let start = byte_at(first);
            (start, &expression[start..byte_at(last + 1)])
        }
        _ => everything,
    }
}

#[cfg(test)]
mod tests {
    use model::{MatchOp, Matcher};

    use super::*;

    #[test]
    fn reasons_and_culprits_are_those_of_go() {
        for (expression, expected) in [
            ("(", "missing closing ): `(`"),
            ("a(b|c", "missing closing ): `a(b|c`"),
            ("a)", "unexpected ): `a)`"),
            ("a[b-c", "missing closing ]: `[b-c`"),
            ("é[b", "missing closing ]: `[b`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a|+", "missing argument to repetition operator: `+`"),
            ("a\\y", "invalid escape sequence: `\\y`"),
            ("(a)\\1", "invalid escape sequence: `\\1`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("a{5,2}", "invalid repeat count: `{5,2}`"),
            ("a\n(", "missing closing ): `a\n(`"),
            ("\\pL{1000}", "Compiled regex exceeds size limit of 1048576 bytes: `\\pL{1000}`"),
        ] {
            let error = Matcher::new("l", MatchOp::Regex, expression).unwrap_err();
            let expected = format!("error parsing regexp: {expected}");
            assert_eq!(complaint(expression, &error.message), expected);
        }
    }
}
