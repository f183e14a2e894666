//! Kernels: loops over slices of floats, no labels, no Arrow, no allocation per series.
//!
//! Semantics are those of Prometheus 3.14 to the bit (`promql/functions.go`, `promql/engine.go`,
//! `promql/quantile.go`), except where states of several partitions are merged: there sums agree
//! within 1e-12, deviations within 1e-9.
//!
//! A row has one cell a step; an absent cell holds [`crate::tile::ABSENT`].

pub mod aggregate;
pub mod bucket;
pub mod kahan;
pub mod map;
#[cfg(test)]
mod oracle;
pub mod over_time;
pub mod pow;
pub mod rate;
pub mod regression;
pub mod scalar;
pub mod select;
pub mod window;
