//! What other nodes ask of a compactor.
//!
//! Empty, and meant to stay so: compactors meet in the catalog.
