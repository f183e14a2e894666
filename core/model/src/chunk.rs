//! Chunks: up to 120 consecutive samples of one series, compressed.

pub mod xor;

pub use xor::{ChunkError, XorChunk, XorState};
