//! What other nodes ask of a ruler: the state of the groups that it owns.
//!
//! Empty until there is a cluster.
