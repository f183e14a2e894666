//! The program: which roles does this process play, and how do they start and stop together?
//!
//! ```text
//!  varve run ─► config ─► Node::start ─► server listens (503 until ready)
//!                              │         ingester  opens its storage, replays its log
//!                              │         gateway, querier  built on the ingester's client
//!                              ▼         routes installed, ready
//!  SIGTERM ──► Node::stop ──► server drains ─► ingester checkpoints ─► tasks end ─► exit 0
//! ```
//!
//! Roles do not know each other. This crate hands the ingester to gateway and querier as their
//! client, so that in one process nothing is serialised. A test starts a [`Node`] the same way as the
//! binary does.

mod check;
mod cli;
mod config;
mod recover;
mod roles;
mod run;
mod version;

pub use cli::Cli;
pub use config::Config;
pub use roles::{Node, StartError, StopError, Target};
