//! Prometheus XOR chunks.
