//! What the compactor counts: jobs by kind and outcome, bytes read and written, the age of the
//! oldest file that waits.
//!
//! Empty until there are jobs.
