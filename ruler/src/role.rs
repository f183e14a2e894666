//! The role: owns the schedule and hands due groups to evaluation; the only wiring.
//!
//! Empty until rules are evaluated.
