//! Load and proof: sends identity-carrying samples and checks that none was lost, doubled or changed.
//!
//! ```text
//!  fleet ── labels ──┐
//!  identity ─ (s,q) ─┼─▶ template ─▶ blast ═══ remote write ═══▶ server
//!                    │   (patched)     │ ledger                    │
//!                    └─────────────────┴────▶ verify ◀══ queries ══┘
//!  kill: a blast at a server that is killed again and again, then verify
//!  peers: the same load and the same queries for Varve, Prometheus and VictoriaMetrics in one run
//!  promqltest: Prometheus' own test scripts through an engine, at present the reference evaluator
//! ```
//!
//! Everything a sample is follows from its series id `s` and its sequence number `q`, so the checker
//! needs no copy of the data: the ledger says which (s, q) were sent and acked, and [`identity`] says
//! what they must look like.

pub mod blast;
pub mod clock;
pub mod fleet;
pub mod histogram;
pub mod http;
pub mod identity;
pub mod kill;
pub mod ledger;
pub mod peers;
pub mod process;
pub mod promqltest;
pub mod query;
pub mod reference;
pub mod server;
pub mod snappy;
pub mod template;
pub mod verify;
