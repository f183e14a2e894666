//! The sorting functions.

use std::cmp::Ordering;

use super::call::Call;
use super::eval::Fallible;
use super::labelling::text;
use super::vector::Sample;

/// Sorts the first argument.
pub(super) fn evaluate(call: &Call<'_>, name: &str) -> Fallible<Vec<Sample>> {
    if !call.scope.grid.is_instant() {
        let why =
            "sort is ineffective for range queries since results are always ordered by labels";
        call.evaluator.warn(call.span, why.to_owned());
    }
    let mut vector = call.vector(0)?;
    let float = |sample: &Sample| sample.value.float().unwrap_or(f64::NAN);
    match name {
        "sort" | "sort_desc" => {
            vector.retain(|sample| sample.value.float().is_some());
            let is_ascending = name == "sort";
            sort_by(&mut vector, |a, b| {
                let (a, b) = (float(a), float(b));
                // NaNs come last in either order.
                b.is_nan() || if is_ascending { a < b } else { a > b }
            });
        }
        _ => {
            let labels: Vec<String> = call.args[1..].iter().map(text).collect();
            vector.sort_by(|a, b| by_labels(a, b, &labels));
            if name == "sort_by_label_desc" {
                vector.reverse();
            }
        }
    }
    Ok(vector)
}

fn by_labels(a: &Sample, b: &Sample, names: &[String]) -> Ordering {
    for name in names {
        let (a, b) =
            (a.labels.get(name).unwrap_or_default(), b.labels.get(name).unwrap_or_default());
        if a != b {
            return if natural(a, b) { Ordering::Less } else { Ordering::Greater };
        }
    }
    a.labels.cmp(&b.labels)
}

/// `a < b`, with NaN below everything, itself included: the order of Prometheus' heaps.
pub(super) fn nan_first(a: f64, b: f64) -> bool {
    a.is_nan() || a < b
}

/// Insertion sort: with NaNs, Prometheus' order is none, and this is what Go's sort does to the
/// twelve elements or fewer that are sorted in practice.
pub(super) fn sort_by<T>(items: &mut [T], mut is_less: impl FnMut(&T, &T) -> bool) {
    for i in 1..items.len() {
        let mut j = i;
        while j > 0 && is_less(&items[j], &items[j - 1]) {
            items.swap(j, j - 1);
            j -= 1;
        }
    }
}

/// Whether `a` comes before `b` in natural order: runs of digits compare as numbers
/// (`github.com/facette/natsort`).
fn natural(a: &str, b: &str) -> bool {
    let (left, right) = (chunks(a), chunks(b));
    for (i, x) in left.iter().enumerate() {
        let Some(y) = right.get(i) else { return false };
        match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(m), Ok(n)) if m == n => {
                if i + 1 >= left.len() {
                    return true;
                }
                if i + 1 >= right.len() {
                    return false;
                }
            }
            (Ok(m), Ok(n)) => return m < n,
            _ if x == y => {
                if i + 1 >= left.len() {
                    return true;
                }
                if i + 1 >= right.len() {
                    return false;
                }
            }
            _ => return x < y,
        }
    }
    false
}

/// Runs of digits and runs of other characters.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (chunk, tail) = rest.split_at(end);
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_compare_as_numbers() {
        assert!(natural("host2", "host10") && !natural("host10", "host2"));
        assert!(natural("1", "a") && natural("a", "b"));
    }
}
