//! `/api/v1/rules` and `/api/v1/alerts` as Prometheus has them, and the API for editing rules.
//!
//! Empty until there are rules to show.
