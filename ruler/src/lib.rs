//! The ruler: evaluates recording and alerting rules and tells people.
//!
//! ```text
//!  rule files ─► groups ─► schedule (pure: clock, groups → due) ─► evaluate through the querier
//!                                                                    │
//!                           recording rule ─► samples ─► gateway ◄───┤
//!                           alerting rule ──► state (pure) ──────────┘
//!                                              inactive → pending → firing → resolved
//!                                                     │
//!                                      notifications ─► queue ─► Alertmanagers, receivers
//! ```
//!
//! **Not built yet.** This crate holds its place in the house and the design that it will follow;
//! until then a Prometheus that reads from here can evaluate rules.
//!
//! # Duty
//! - Read Prometheus' rule files as they are, and check every expression when they are loaded.
//! - Evaluate each group on one node at a time, rules in their order, so that a rule sees what the
//!   rules before it have written.
//! - Keep the state of alerts where everything else that must survive is kept: replicated, so that a
//!   restart or a change of owner neither forgets how long an alert has been pending nor notifies
//!   twice.
//!
//! # Guarantees
//! - A group is evaluated at multiples of its interval, at the group's own offset; an evaluation that
//!   is missed is counted, never repeated in a burst.
//! - What a recording rule writes is acknowledged like any other sample.
//! - A notification is sent at least once to each receiver and repeated until it is resolved or
//!   silenced; the queue is bounded, drops its oldest entry first, and counts what it drops.
//!
//! # Limits
//! Series and alerts a rule, groups a tenant, evaluations at a time. Schedule and alert states are
//! functions of their inputs and the clock that is handed in.

mod config;
mod grpc;
mod http;
mod metrics;
mod role;
