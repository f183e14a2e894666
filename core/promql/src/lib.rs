//! PromQL as a pure library: text → syntax tree → checks → kernels over tiles.
//!
//! Nothing here awaits, does IO, reads a clock or knows DataFusion. The querier wraps whole kernel
//! trees into one DataFusion plan node; the ingester drives the same trees in a plain loop for
//! the fragments that were pushed to it.
//!
//! ```text
//!              text, several lines, JSON (print, pretty, json)
//!                                   ▲
//!  text ─lex─► tokens ─parse─► Expr (ast, spans) ─check─► typed ─► Fragment(s) + final stage
//!                                                                    │
//!                    SampleSource ─► kernel (instant, range) ─► map ─► aggregate(partial)
//!                                        tiles: one row a series, one column a step
//! ```

pub mod annotation;
pub mod ast;
pub mod bind;
pub mod check;
pub mod fragment;
pub mod functions;
pub mod grid;
pub mod json;
pub mod kernel;
mod lex;
pub mod op;
pub mod parse;
pub mod position;
pub mod pretty;
mod print;
pub mod refuse;
pub mod roster;
pub mod row;
pub mod run;
pub mod source;
pub mod stage;
#[cfg(test)]
mod testing;
pub mod tile;
