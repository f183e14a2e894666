//! The gateway's room for gRPC: empty, because nobody calls a gateway over it.
//!
//! Senders speak HTTP (remote write today), and the gateway itself is a client: of the ingesters,
//! through `cluster`. OTLP over gRPC would be served from here.
