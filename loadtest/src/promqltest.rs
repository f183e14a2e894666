//! Prometheus' test language for PromQL engines: scripts that load series and say what queries
//! over them must answer (`promql/promqltest/test.go`).
//!
//! ```text
//!  text ─script─▶ clear | load | eval ─run─▶ Engine ─▶ answer, annotations or error ─compare─▶ verdict
//!                                 │
//!                                 └─variants─▶ the same query with `@`, at other times, as a range
//! ```
//!
//! An engine stands behind [`Engine`], so that the reference evaluator and a real cluster take the
//! same scripts. The scripts are Prometheus' own and lie beside the repository, never in it.
//!
//! Invariant: a script counts as passed only if as many statements ran as its text has lines that
//! begin with `eval`; [`run::Report::is_clean`] compares the two.

pub mod compare;
pub mod engine;
pub mod histogram;
pub mod mutate;
pub mod nhcb;
pub mod run;
pub mod script;
pub mod sequence;
pub mod suite;
pub mod variants;

mod block;
mod expect;
mod load;

pub use engine::{Annotation, Answer, Engine, Evaluated, Point, Series, Value};

#[cfg(test)]
mod tests;
