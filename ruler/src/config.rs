//! Settings: intervals, concurrency, receivers, limits.
//!
//! Empty until there is something to set.
