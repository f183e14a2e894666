//! The buffers of requests, used again and again: a steady write allocates its frames and nothing
//! else.

use std::ops::{Deref, DerefMut};

use parking_lot::Mutex;

use crate::distribute::frames::Frames;

/// Buffers that wait for their next request. More requests than this at once are rare, and theirs
/// are simply freed.
const IDLE_MAX: usize = 8;

/// Buffers larger than this are freed after use: what one huge request needed is not kept.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// The buffers of one request.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) compressed: Vec<u8>,
    pub(super) decoded: Vec<u8>,
    pub(super) frames: Frames,
}

/// Idle buffers.
#[derive(Debug, Default)]
pub(super) struct ScratchPool {
    idle: Mutex<Vec<Scratch>>,
}

/// Buffers on loan; they return when this is dropped, however the request ends.
#[derive(Debug)]
pub(super) struct Loan<'a> {
    pool: &'a ScratchPool,
    scratch: Scratch,
}

// === impl ScratchPool ===

impl ScratchPool {
    /// The buffers that were used last, which are the likeliest to be in the CPU's caches.
    pub(super) fn borrow(&self) -> Loan<'_> {
        let scratch = self.idle.lock().pop().unwrap_or_default();
        Loan { pool: self, scratch }
    }
}

// === impl Scratch ===

impl Scratch {
    fn kept_bytes(&self) -> usize {
        self.compressed.capacity() + self.decoded.capacity() + self.frames.kept_bytes()
    }
}

// === impl Loan ===

impl Deref for Loan<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl DerefMut for Loan<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let scratch = std::mem::take(&mut self.scratch);
        if scratch.kept_bytes() <= KEPT_BYTES_MAX {
            let mut idle = self.pool.idle.lock();
            if idle.len() < IDLE_MAX {
                idle.push(scratch);
            }
        }
    }
}
