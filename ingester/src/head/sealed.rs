//! Sealed chunks: gathered in memory, written to the state store a megabyte at a time.
//!
//! A chunk lies inside one window of two hours, and windows come first in the keys, so that old
//! ones leave the store as one range. The value carries a checksum over key and chunk, and the log
//! index at which the chunk was sealed: a chunk may reach the disk before the checkpoint that
//! covers it, and a replay must not see what the log has not told it yet.
//!
//! ```text
//!  key    stid u64 │ window hour i32 │ ref u32 │ first ms i64      big endian, signs flipped
//!  value  encoding u8 │ last ms i64 │ sealed at u64 │ crc32c u32 │ chunk     little endian
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use model::TimestampMs;

use crate::storage::{Column, StateBatch};

/// Hours of a window; no chunk crosses the end of one.
pub(crate) const WINDOW_HOURS: i32 = 2;
/// The same in milliseconds.
pub(crate) const WINDOW_MS: i64 = WINDOW_HOURS as i64 * 3_600_000;
/// Chunks are written to the store when they take this much together.
const SPILL_BYTES: usize = 1 << 20;
/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 24;
/// Bytes of a value before the chunk.
pub(super) const VALUE_HEADER_BYTES: usize = 21;

/// Where a chunk stands: by window, then series, then time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChunkKey {
    /// The window's first hour since the epoch.
    pub(crate) hour: i32,
    /// Its series.
    pub(crate) series: u32,
    /// Its first timestamp; no other chunk of the series has the same.
    pub(crate) first_ms: TimestampMs,
}

/// How a chunk came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkKind {
    /// Its samples came in order of time.
    InOrder,
    /// It was an out-of-order buffer; it overlaps others in time but shares no timestamp.
    OutOfOrder,
}

/// A stored chunk whose checksum has been verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedChunk<'a> {
    pub(crate) kind: ChunkKind,
    pub(crate) last_ms: TimestampMs,
    /// The log index of the command that sealed it.
    pub(crate) sealed_at: u64,
    /// In Prometheus' XOR encoding.
    pub(crate) chunk: &'a [u8],
}

/// Chunks by key, in the form in which they are stored.
pub(crate) type ChunkMap = BTreeMap<ChunkKey, Arc<[u8]>>;

/// What a window has in memory and in the store together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Bytes of sealed chunks.
    pub(crate) bytes: u64,
    /// How many of them hold late samples.
    pub(crate) late_chunks: u64,
}

/// What is sealed and not yet in the store, and how much each window has in all.
#[derive(Debug, Default)]
pub(crate) struct SealedChunks {
    pending: ChunkMap,
    pending_bytes: usize,
    /// Chunks on their way to the store.
    spilling: Option<Arc<ChunkMap>>,
    /// What each window has, by its hour.
    windows: BTreeMap<i32, Window>,
    /// Reused from chunk to chunk.
    scratch: Vec<u8>,
}

/// A window's first hour; far beyond any real time, the first and last ones take all that is left.
pub(crate) fn window_hour(timestamp_ms: TimestampMs) -> i32 {
    let hour = timestamp_ms.div_euclid(WINDOW_MS) * i64::from(WINDOW_HOURS);
    i32::try_from(hour).unwrap_or(if hour < 0 { i32::MIN } else { i32::MAX - 1 })
}

/// The first millisecond of the window that holds `timestamp_ms`.
pub(crate) const fn window_start_ms(timestamp_ms: TimestampMs) -> TimestampMs {
    timestamp_ms.saturating_sub(timestamp_ms.rem_euclid(WINDOW_MS))
}

// === impl ChunkKey ===

impl ChunkKey {
    /// The first possible key of a series in a window.
    pub(crate) const fn first(hour: i32, series: u32) -> Self {
        Self { hour, series, first_ms: TimestampMs::MIN }
    }

    /// As it stands in the store.
    pub(crate) fn encode(self, stid: u64) -> [u8; KEY_BYTES] {
        let mut key = [0; KEY_BYTES];
        key[..8].copy_from_slice(&stid.to_be_bytes());
        key[8..12].copy_from_slice(&(self.hour ^ i32::MIN).to_be_bytes());
        key[12..16].copy_from_slice(&self.series.to_be_bytes());
        key[16..].copy_from_slice(&(self.first_ms ^ i64::MIN).to_be_bytes());
        key
    }

    /// Reads a key of the store; `None` unless it has a chunk key's length.
    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let key: &[u8; KEY_BYTES] = key.try_into().ok()?;
        let (_, rest) = key.split_first_chunk::<8>()?;
        let (hour, rest) = rest.split_first_chunk::<4>()?;
        let (series, rest) = rest.split_first_chunk::<4>()?;
        let first_ms = rest.first_chunk::<8>()?;
        Some(Self {
            hour: i32::from_be_bytes(*hour) ^ i32::MIN,
            series: u32::from_be_bytes(*series),
            first_ms: i64::from_be_bytes(*first_ms) ^ i64::MIN,
        })
    }

    /// The key's own part of the checksum: all but the state id, which a move changes.
    fn checksum(self) -> u32 {
        crc32c::crc32c(&self.encode(0)[8..])
    }
}

// === impl SealedChunk ===

impl<'a> SealedChunk<'a> {
    /// Reads a stored value and verifies it against its key; `None` when it is damaged.
    pub(crate) fn decode(key: ChunkKey, value: &'a [u8]) -> Option<Self> {
        let (header, chunk) = value.split_first_chunk::<VALUE_HEADER_BYTES>()?;
        let (kind, rest) = header.split_first()?;
        let (last_ms, rest) = rest.split_first_chunk::<8>()?;
        let (sealed_at, rest) = rest.split_first_chunk::<8>()?;
        let stored = u32::from_le_bytes(*rest.first_chunk::<4>()?);
        let crc = crc32c::crc32c_append(key.checksum(), &header[..VALUE_HEADER_BYTES - 4]);
        if crc32c::crc32c_append(crc, chunk) != stored {
            return None;
        }
        let kind = match kind {
            1 => ChunkKind::InOrder,
            2 => ChunkKind::OutOfOrder,
            _ => return None,
        };
        Some(Self {
            kind,
            last_ms: i64::from_le_bytes(*last_ms),
            sealed_at: u64::from_le_bytes(*sealed_at),
            chunk,
        })
    }

    fn encode(&self, key: ChunkKey) -> Arc<[u8]> {
        let mut value = Vec::with_capacity(VALUE_HEADER_BYTES + self.chunk.len());
        value.push(match self.kind {
            ChunkKind::InOrder => 1,
            ChunkKind::OutOfOrder => 2,
        });
        value.extend_from_slice(&self.last_ms.to_le_bytes());
        value.extend_from_slice(&self.sealed_at.to_le_bytes());
        let crc = crc32c::crc32c_append(key.checksum(), &value);
        value.extend_from_slice(&crc32c::crc32c_append(crc, self.chunk).to_le_bytes());
        value.extend_from_slice(self.chunk);
        Arc::from(value)
    }
}

// === impl SealedChunks ===

impl SealedChunks {
    /// Adds a chunk that `write` writes in Prometheus' form.
    pub(super) fn add(
        &mut self,
        key: ChunkKey,
        (kind, last_ms, sealed_at): (ChunkKind, TimestampMs, u64),
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.scratch.clear();
        write(&mut self.scratch);
        let chunk = SealedChunk { kind, last_ms, sealed_at, chunk: &self.scratch };
        let value = chunk.encode(key);
        let window = self.windows.entry(key.hour).or_default();
        window.bytes += (KEY_BYTES + value.len()) as u64;
        window.late_chunks += u64::from(kind == ChunkKind::OutOfOrder);
        self.pending_bytes += value.len();
        self.pending.insert(key, value);
    }

    /// Takes what has gathered, if it is worth a write, and keeps it readable until
    /// [`SealedChunks::spilled`].
    pub(super) fn take_spill(&mut self, bytes_min: usize) -> Option<Arc<ChunkMap>> {
        if self.pending.is_empty() || self.pending_bytes < bytes_min || self.spilling.is_some() {
            return None;
        }
        self.pending_bytes = 0;
        let chunks = Arc::new(std::mem::take(&mut self.pending));
        self.spilling = Some(Arc::clone(&chunks));
        Some(chunks)
    }

    /// As [`SealedChunks::take_spill`], once a megabyte has gathered.
    pub(super) fn take_full_spill(&mut self) -> Option<Arc<ChunkMap>> {
        self.take_spill(SPILL_BYTES)
    }

    /// Ends a spill: what it took is in the store, or stays here for the next one.
    pub(super) fn spilled(&mut self, is_stored: bool) {
        let Some(chunks) = self.spilling.take().filter(|_| !is_stored) else { return };
        for (key, value) in chunks.iter() {
            self.pending_bytes += value.len();
            self.pending.insert(*key, Arc::clone(value));
        }
    }

    /// Puts what an earlier write failed to store.
    pub(super) fn put_unstored(&self, stid: u64, batch: &mut StateBatch) {
        put_chunks(batch, stid, &self.pending);
    }

    /// The chunks of `from..to` that are still in memory, by key.
    pub(crate) fn in_memory(
        &self,
        from: ChunkKey,
        to: ChunkKey,
    ) -> impl Iterator<Item = (&ChunkKey, &Arc<[u8]>)> {
        let spilling = self.spilling.iter().flat_map(move |chunks| chunks.range(from..to));
        self.pending.range(from..to).chain(spilling)
    }

    /// Windows that have sealed chunks, ascending by hour.
    pub(crate) const fn windows(&self) -> &BTreeMap<i32, Window> {
        &self.windows
    }

    /// Takes a window from a checkpoint.
    pub(super) fn restore_window(&mut self, hour: i32, window: Window) {
        self.windows.insert(hour, window);
    }

    /// Forgets the windows before `hour`.
    pub(super) fn drop_before(&mut self, hour: i32) {
        self.windows = self.windows.split_off(&hour);
        self.pending = self.pending.split_off(&ChunkKey::first(hour, 0));
        self.pending_bytes = self.pending.values().map(|value| value.len()).sum();
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let map_bytes = |map: &ChunkMap| map.values().map(|value| value.len() + 64).sum::<usize>();
        map_bytes(&self.pending) + self.spilling.iter().map(|map| map_bytes(map)).sum::<usize>()
    }
}

/// Puts sealed chunks into a batch of the state store.
pub(super) fn put_chunks(batch: &mut StateBatch, stid: u64, chunks: &ChunkMap) {
    for (key, value) in chunks {
        batch.put(Column::Chunks, &key.encode(stid), value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn keys_sort_as_their_parts(a: (i32, u32, i64), b: (i32, u32, i64)) {
            let key = |(hour, series, first_ms)| ChunkKey { hour, series, first_ms };
            prop_assert_eq!(key(a).encode(1).cmp(&key(b).encode(1)), a.cmp(&b));
            prop_assert_eq!(ChunkKey::decode(&key(a).encode(9)), Some(key(a)));
        }

        #[test]
        fn every_flipped_bit_is_noticed(chunk: Vec<u8>, flip in any::<prop::sample::Index>()) {
            let key = ChunkKey { hour: 4, series: 7, first_ms: -3 };
            let sealed = SealedChunk {
                kind: ChunkKind::OutOfOrder, last_ms: 9, sealed_at: 8, chunk: &chunk,
            };
            let mut value = sealed.encode(key).to_vec();
            let back = SealedChunk::decode(key, &value).unwrap();
            prop_assert_eq!((back.kind, back.last_ms, back.sealed_at, back.chunk),
                (ChunkKind::OutOfOrder, 9, 8, &chunk[..]));
            let other = ChunkKey { series: 8, ..key };
            prop_assert!(SealedChunk::decode(other, &value).is_none());
            let bit = flip.index(value.len() * 8);
            value[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(SealedChunk::decode(key, &value).is_none());
        }

        #[test]
        fn a_window_holds_its_samples(t: i64) {
            let start = window_start_ms(t);
            prop_assert!(start <= t);
            prop_assert!(t.checked_sub(WINDOW_MS).is_none_or(|before| before < start));
            prop_assert_eq!(window_hour(start), window_hour(t));
        }
    }
}
