//! The ingester's side of the internal gRPC protocol.
//!
//! There is none yet: in one process the gateway and the querier call the ingester itself, as a
//! [`cluster::IngesterClient`]. When nodes talk to each other, this file decodes a call, makes it,
//! and encodes the answer; nothing is decided here.
