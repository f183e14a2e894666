//! The function table of Prometheus 3.14 (`promql/parser/functions.go`): names and signatures.
//!
//! What a function computes is the kernels' business; that one is in the table says only that the
//! parser knows it. The table is sorted by name.

use crate::ast::ValueType::{self, Matrix, Scalar, String, Vector};

/// One PromQL function.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The types of its arguments in order.
    pub args: &'static [ValueType],
    /// How often the last argument may be given.
    pub variadic: Variadic,
    /// The type of its value.
    pub returns: ValueType,
    /// Whether Prometheus has it behind its flag for experimental functions.
    pub is_experimental: bool,
}

/// How often the last argument of a function may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variadic {
    /// Once.
    No,
    /// Not at all, up to so many times.
    UpTo(usize),
    /// Any number of times, zero included.
    Unbounded,
}

/// The function called `name`; names are case-sensitive.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok().map(|i| &FUNCTIONS[i])
}

const fn stable(name: &'static str, args: &'static [ValueType], returns: ValueType) -> Function {
    Function { name, args, variadic: Variadic::No, returns, is_experimental: false }
}

const fn experimental(
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
) -> Function {
    Function { name, args, variadic: Variadic::No, returns, is_experimental: true }
}

impl Function {
    const fn variadic(mut self, variadic: Variadic) -> Self {
        self.variadic = variadic;
        self
    }
}

/// All functions, sorted by name.
pub static FUNCTIONS: &[Function] = &[
    stable("abs", &[Vector], Vector),
    stable("absent", &[Vector], Vector),
    stable("absent_over_time", &[Matrix], Vector),
    stable("acos", &[Vector], Vector),
    stable("acosh", &[Vector], Vector),
    stable("asin", &[Vector], Vector),
    stable("asinh", &[Vector], Vector),
    stable("atan", &[Vector], Vector),
    stable("atanh", &[Vector], Vector),
    stable("avg_over_time", &[Matrix], Vector),
    stable("ceil", &[Vector], Vector),
    stable("changes", &[Matrix], Vector),
    stable("clamp", &[Vector, Scalar, Scalar], Vector),
    stable("clamp_max", &[Vector, Scalar], Vector),
    stable("clamp_min", &[Vector, Scalar], Vector),
    stable("cos", &[Vector], Vector),
    stable("cosh", &[Vector], Vector),
    stable("count_over_time", &[Matrix], Vector),
    stable("day_of_month", &[Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("day_of_week", &[Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("day_of_year", &[Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("days_in_month", &[Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("deg", &[Vector], Vector),
    stable("delta", &[Matrix], Vector),
    stable("deriv", &[Matrix], Vector),
    experimental("double_exponential_smoothing", &[Matrix, Scalar, Scalar], Vector),
    experimental("end", &[], Scalar),
    stable("exp", &[Vector], Vector),
    stable("first_over_time", &[Matrix], Vector),
    stable("floor", &[Vector], Vector),
    stable("histogram_avg", &[Vector], Vector),
    stable("histogram_count", &[Vector], Vector),
    stable("histogram_fraction", &[Scalar, Scalar, Vector], Vector),
    stable("histogram_quantile", &[Scalar, Vector], Vector),
    experimental("histogram_quantiles", &[Vector, String, Scalar, Scalar], Vector)
        .variadic(Variadic::UpTo(9)),
    stable("histogram_stddev", &[Vector], Vector),
    stable("histogram_stdvar", &[Vector], Vector),
    stable("histogram_sum", &[Vector], Vector),
    stable("hour", &[Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("idelta", &[Matrix], Vector),
    stable("increase", &[Matrix], Vector),
    experimental("info", &[Vector, Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("irate", &[Matrix], Vector),
    stable("label_join", &[Vector, String, String, String], Vector).variadic(Variadic::Unbounded),
    stable("label_replace", &[Vector, String, String, String, String], Vector),
    stable("last_over_time", &[Matrix], Vector),
    stable("ln", &[Vector], Vector),
    stable("log10", &[Vector], Vector),
    stable("log2", &[Vector], Vector),
    experimental("mad_over_time", &[Matrix], Vector),
    experimental("max_of", &[Scalar, Scalar], Scalar),
    stable("max_over_time", &[Matrix], Vector),
    experimental("min_of", &[Scalar, Scalar], Scalar),
    stable("min_over_time", &[Matrix], Vector),
    stable("minute", &[Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("month", &[Vector], Vector).variadic(Variadic::UpTo(1)),
    stable("pi", &[], Scalar),
    stable("predict_linear", &[Matrix, Scalar], Vector),
    stable("present_over_time", &[Matrix], Vector),
    stable("quantile_over_time", &[Scalar, Matrix], Vector),
    stable("rad", &[Vector], Vector),
    experimental("range", &[], Scalar),
    stable("rate", &[Matrix], Vector),
    stable("resets", &[Matrix], Vector),
    stable("round", &[Vector, Scalar], Vector).variadic(Variadic::UpTo(1)),
    stable("scalar", &[Vector], Scalar),
    stable("sgn", &[Vector], Vector),
    stable("sin", &[Vector], Vector),
    stable("sinh", &[Vector], Vector),
    stable("sort", &[Vector], Vector),
    experimental("sort_by_label", &[Vector, String], Vector).variadic(Variadic::Unbounded),
    experimental("sort_by_label_desc", &[Vector, String], Vector).variadic(Variadic::Unbounded),
    stable("sort_desc", &[Vector], Vector),
    stable("sqrt", &[Vector], Vector),
    experimental("start", &[], Scalar),
    experimental("start_timestamp", &[Vector], Vector),
    stable("stddev_over_time", &[Matrix], Vector),
    stable("stdvar_over_time", &[Matrix], Vector),
    experimental("step", &[], Scalar),
    stable("sum_over_time", &[Matrix], Vector),
    stable("tan", &[Vector], Vector),
    stable("tanh", &[Vector], Vector),
    stable("time", &[], Scalar),
    stable("timestamp", &[Vector], Vector),
    experimental("ts_of_first_over_time", &[Matrix], Vector),
    experimental("ts_of_last_over_time", &[Matrix], Vector),
    experimental("ts_of_max_over_time", &[Matrix], Vector),
    experimental("ts_of_min_over_time", &[Matrix], Vector),
    stable("vector", &[Scalar], Vector),
    stable("year", &[Vector], Vector).variadic(Variadic::UpTo(1)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        let n_experimental = FUNCTIONS.iter().filter(|f| f.is_experimental).count();
        assert_eq!((FUNCTIONS.len() - n_experimental, n_experimental), (73, 17));
    }

    #[test]
    fn names_are_found_case_sensitively() {
        assert_eq!(lookup("rate").map(|f| f.returns), Some(Vector));
        assert_eq!(lookup("Rate"), None);
        assert_eq!(lookup(""), None);
    }

    #[test]
    fn only_the_last_of_some_arguments_repeats() {
        assert!(FUNCTIONS.iter().all(|f| f.variadic == Variadic::No || !f.args.is_empty()));
    }
}
