//! What the ruler counts: evaluations and their duration by group, failures, alerts by state,
//! notifications sent and dropped.
//!
//! Empty until rules are evaluated.
