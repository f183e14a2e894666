//! Chunks: up to 120 consecutive samples of one series, compressed.

pub mod histogram;
pub mod xor;

pub use histogram::{HistogramChunk, HistogramChunkError};
pub use xor::{ChunkError, XorChunk, XorState};
