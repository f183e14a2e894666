//! Proof that scripts are judged: one expectation is changed, and the script must fail.

use super::engine::{Engine, Value};
use super::run::{Report, run};
use super::script::{Command, Script};
use super::sequence::Item;

/// Changes the last number that the script expects, or failing that the last histogram, and
/// returns the line of its statement; `None` when the script expects neither.
pub fn mutate(script: &mut Script) -> Option<usize> {
    for command in script.commands.iter_mut().rev() {
        let Command::Eval(eval) = command else { continue };
        if let Some(scalar) = &mut eval.expected.scalar {
            *scalar = other(*scalar);
            return Some(eval.line);
        }
        let items = eval.expected.series.iter_mut().flat_map(|series| &mut series.items);
        let values = items.filter_map(|item| match item {
            Item::Present { value, .. } => Some(value),
            Item::Missing => None,
        });
        if let Some(value) = values.last() {
            *value = match value {
                Value::Float(float) => Value::Float(other(*float)),
                Value::Histogram(_) => Value::Float(1.0),
            };
            return Some(eval.line);
        }
        if let Some(string) = &mut eval.expected.string {
            string.push(b'x');
            return Some(eval.line);
        }
    }
    None
}

/// Changes one expectation and runs the script.
///
/// # Errors
/// When there is nothing to change, or the change makes no difference to its statement.
pub fn must_fail(script: &mut Script, engine: &mut dyn Engine) -> Result<usize, String> {
    let before = run(script, engine)?;
    let line = mutate(script).ok_or("there is no expectation that could be changed")?;
    let after = run(script, engine)?;
    let fails = |report: &Report| report.failures.iter().any(|(failed, _)| *failed == line);
    match (fails(&before), fails(&after)) {
        (false, true) => Ok(line),
        (true, _) => Err(format!("line {line} fails even without the change")),
        (false, false) => Err(format!("line {line} passes with a changed expectation")),
    }
}

/// A number that is far from `number`.
fn other(number: f64) -> f64 {
    if number.is_finite() { number * 2.0 + 1.0 } else { 1.0 }
}
