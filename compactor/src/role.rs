//! The role: the loop that decides when to plan and hands jobs to workers; the only wiring.
//!
//! Empty until the archive has files to compact.
