//! `label_replace` and `label_join`.

use promql::ast::{Expr, ExprKind};
use regex::Regex;

use super::eval::{Evaluator, Fallible, Scope, relabel, unique};
use super::vector::Sample;

/// `label_replace(vector, destination, replacement, source, pattern)`
pub(super) fn replace(
    evaluator: &Evaluator<'_>,
    args: &[Expr],
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    let texts: Vec<String> = args[1..].iter().map(text).collect();
    let [destination, replacement, source, pattern] = texts.as_slice() else {
        return Err("label_replace needs four strings".to_owned());
    };
    let regex = Regex::new(&format!("^(?s:{pattern})$"))
        .map_err(|_| format!("invalid regular expression in label_replace(): {pattern}"))?;
    check("destination label name in label_replace()", destination)?;
    let mut vector = evaluator.vector(&args[0], scope)?;
    for sample in &mut vector {
        let value = sample.labels.get(source).unwrap_or_default().to_owned();
        if let Some(captures) = regex.captures(&value) {
            let mut expanded = String::new();
            captures.expand(replacement, &mut expanded);
            set(sample, destination, &expanded);
        }
    }
    unique(vector)
}

/// `label_join(vector, destination, separator, sources…)`
pub(super) fn join(
    evaluator: &Evaluator<'_>,
    args: &[Expr],
    scope: Scope,
) -> Fallible<Vec<Sample>> {
    let texts: Vec<String> = args[1..].iter().map(text).collect();
    let [destination, separator, sources @ ..] = texts.as_slice() else {
        return Err("label_join needs two strings".to_owned());
    };
    for source in sources {
        check("source label name in label_join()", source)?;
    }
    check("destination label name in label_join()", destination)?;
    let mut vector = evaluator.vector(&args[0], scope)?;
    for sample in &mut vector {
        let values: Vec<&str> = sample.labels_of(sources).map(Option::unwrap_or_default).collect();
        let joined = values.join(separator);
        set(sample, destination, &joined);
    }
    unique(vector)
}

/// Sets a label; a name that is set stays.
fn set(sample: &mut Sample, name: &str, value: &str) {
    sample.labels = relabel(&sample.labels, |labels| {
        labels.set(name, value);
    });
    if name == "__name__" {
        sample.drops_name = false;
    }
}

/// A label's name is any text but the empty one.
fn check(what: &str, name: &str) -> Fallible<()> {
    if name.is_empty() || name.contains(char::REPLACEMENT_CHARACTER) {
        return Err(format!("invalid {what}: {name}"));
    }
    Ok(())
}

/// The text of a string argument.
pub(super) fn text(expr: &Expr) -> String {
    match &expr.unparen().kind {
        ExprKind::String(text) => text.clone(),
        ExprKind::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

// === impl Sample ===

impl Sample {
    fn labels_of<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = Option<&'a str>> {
        names.iter().map(|name| self.labels.get(name))
    }
}
