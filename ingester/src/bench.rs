//! The door of the benches: what they time is private, and they reach it here.
//!
//! Exists only with the feature `bench`, which nothing but the benches switches on. What cannot go
//! wrong in a bench's own folder is expected not to.

mod groups;
mod head;

pub use groups::{Groups, Load};
pub use head::BenchHead;
