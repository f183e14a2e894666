//! The XOR chunk: Prometheus' float encoding, bit for bit (`tsdb/chunkenc/xor.go`).
//!
//! Consecutive timestamps differ by nearly the same delta and consecutive values share most of
//! their bits, so a sample costs the difference of the differences and the changed bits. A chunk
//! can therefore be shipped to anything that reads Prometheus chunks without touching it. The
//! format is written down in `docs/formats/chunk.md`.
//!
//! [`XorChunk`] is a chunk that still grows: 64 bytes of state beside its buffer, from which
//! appending resumes at any time. The newest bits, up to 127 of them, wait in that state: chunks lie
//! side by side, their buffers anywhere, so only one sample in several fetches a cache line of its
//! own. [`decode`] reads a whole chunk at once, column by column.

mod bits;

use crate::time::TimestampMs;
use bits::Reader;

/// The samples after which a chunk is sealed, as in Prometheus.
pub const SAMPLES_MAX: usize = 120;

/// Bytes before the samples: their number, big endian.
pub const HEADER_BYTES: usize = 2;

/// Bytes that go to the buffer at a time.
const WORD_BYTES: usize = size_of::<u128>();

/// `leading` before the first value has set a window.
const NO_WINDOW: u8 = 0xff;

/// The encoding's 5 bits for leading zeros hold at most this.
const LEADING_MAX: u8 = 31;

/// Bits of a difference of differences after the prefixes `10`, `110` and `1110`.
const DOD_BITS: [u32; 3] = [14, 17, 20];

/// Why bytes are not a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The bytes end before the samples do.
    #[error("xor chunk of {bytes} bytes ends before its {samples} samples")]
    Truncated {
        /// Bytes at hand, header included.
        bytes: usize,
        /// Samples that the header promises.
        samples: usize,
    },
}

/// A chunk that still grows, and the newest sample of its series.
///
/// The newest sample survives [`XorChunk::restart`], so that a series without an open chunk still
/// knows where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XorChunk {
    /// Whole words of the body.
    buffer: Box<[u8]>,
    /// The rest of it, from the highest bit on; zeros behind it.
    rest: u128,
    last_ms: TimestampMs,
    last_bits: u64,
    delta_ms: u64,
    body_bits: u16,
    samples: u16,
    leading: u8,
    trailing: u8,
}

/// The last bytes of a growing chunk's body, which are not in its buffer yet.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    bytes: [u8; WORD_BYTES],
    len: usize,
}

/// All of a chunk's state but its bytes: what has to be stored to go on appending later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XorState {
    /// Timestamp of the newest sample.
    pub last_ms: TimestampMs,
    /// Bits of the newest value.
    pub last_bits: u64,
    /// Distance of the last two timestamps, modulo 2^64.
    pub delta_ms: u64,
    /// Bits in use of the body.
    pub body_bits: u16,
    /// Samples in the body.
    pub samples: u16,
    /// Leading zeros of the current window of changed bits; 255 before there is one.
    pub leading: u8,
    /// Trailing zeros of that window.
    pub trailing: u8,
}

// === impl XorChunk ===

impl Default for XorChunk {
    fn default() -> Self {
        Self {
            buffer: Box::default(),
            rest: 0,
            last_ms: TimestampMs::MIN,
            last_bits: 0,
            delta_ms: 0,
            body_bits: 0,
            samples: 0,
            leading: NO_WINDOW,
            trailing: 0,
        }
    }
}

impl XorChunk {
    /// Goes on from stored state; `None` when the body is not as long as the state says.
    #[must_use]
    pub fn resume(state: XorState, body: &[u8]) -> Option<Self> {
        let fits = body.len() == usize::from(state.body_bits).div_ceil(8)
            && usize::from(state.samples) <= SAMPLES_MAX
            && (state.samples > 0) == (state.body_bits > 0)
            && (state.leading == NO_WINDOW || state.leading + state.trailing < 64);
        if !fits {
            return None;
        }
        let (whole, rest) = body.split_at(whole_bytes(state.body_bits));
        let mut buffer = Box::default();
        if !whole.is_empty() {
            buffer = vec![0; size_class(whole.len())].into_boxed_slice();
            buffer[..whole.len()].copy_from_slice(whole);
        }
        Some(Self {
            buffer,
            rest: Rest::word(rest),
            last_ms: state.last_ms,
            last_bits: state.last_bits,
            delta_ms: state.delta_ms,
            body_bits: state.body_bits,
            samples: state.samples,
            leading: state.leading,
            trailing: state.trailing,
        })
    }

    /// What [`XorChunk::resume`] needs beside [`XorChunk::body`].
    #[must_use]
    pub const fn state(&self) -> XorState {
        XorState {
            last_ms: self.last_ms,
            last_bits: self.last_bits,
            delta_ms: self.delta_ms,
            body_bits: self.body_bits,
            samples: self.samples,
            leading: self.leading,
            trailing: self.trailing,
        }
    }

    /// Timestamp of the newest sample; `i64::MIN` when there never was one.
    #[inline]
    #[must_use]
    pub const fn last_ms(&self) -> TimestampMs {
        self.last_ms
    }

    /// Bits of the newest value.
    #[inline]
    #[must_use]
    pub const fn last_bits(&self) -> u64 {
        self.last_bits
    }

    /// Samples in the chunk.
    #[inline]
    #[must_use]
    pub const fn samples(&self) -> usize {
        self.samples as usize
    }

    /// Timestamp of the first sample; `None` when there is none.
    #[must_use]
    pub fn first_ms(&self) -> Option<TimestampMs> {
        let (whole, rest) = self.body();
        // The first word is more than any varint.
        let start = if whole.is_empty() { &rest[..] } else { &whole[..WORD_BYTES] };
        (self.samples > 0).then(|| Reader::new(start).varint())
    }

    /// The encoded samples, without the header, in two parts.
    #[must_use]
    pub fn body(&self) -> (&[u8], Rest) {
        let whole = whole_bytes(self.body_bits);
        let len = usize::from(self.body_bits).div_ceil(8) - whole;
        let rest = Rest { bytes: self.rest.to_be_bytes(), len };
        (&self.buffer[..whole], rest)
    }

    /// Bytes that the buffer takes from the allocator.
    #[must_use]
    pub const fn buffer_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Writes the chunk as Prometheus does: the header, then the samples.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.samples.to_be_bytes());
        let (whole, rest) = self.body();
        out.extend_from_slice(whole);
        out.extend_from_slice(&rest);
    }

    /// Forgets the samples and gives the buffer back; the newest sample stays known.
    pub fn restart(&mut self) {
        *self = Self { last_ms: self.last_ms, last_bits: self.last_bits, ..Self::default() };
    }

    /// Appends one sample. Timestamps may be anything, though only ascending ones compress.
    ///
    /// # Panics
    /// When the chunk holds [`SAMPLES_MAX`] samples already: the caller seals it at that number.
    #[inline]
    pub fn append(&mut self, timestamp_ms: TimestampMs, value: f64) {
        assert!(usize::from(self.samples) < SAMPLES_MAX, "the caller seals a full chunk");
        let bits = value.to_bits();
        let delta_ms = timestamp_ms.wrapping_sub(self.last_ms).cast_unsigned();
        match self.samples {
            0 => self.append_first(timestamp_ms, bits),
            1 => {
                self.append_uvarint(delta_ms);
                self.append_value(0, 0, bits);
                self.delta_ms = delta_ms;
            }
            _ => {
                let dod = delta_ms.wrapping_sub(self.delta_ms).cast_signed();
                let (code, len) = self.dod_code(dod);
                self.append_value(code, len, bits);
                self.delta_ms = delta_ms;
            }
        }
        self.last_ms = timestamp_ms;
        self.last_bits = bits;
        self.samples += 1;
    }

    #[cold]
    fn append_first(&mut self, timestamp_ms: TimestampMs, bits: u64) {
        self.append_uvarint(((timestamp_ms << 1) ^ (timestamp_ms >> 63)).cast_unsigned());
        self.append_bits(bits, 64);
    }

    /// The prefix code of a difference of differences, or of its first four bits: one that needs
    /// all 64 bits is written here.
    #[inline]
    fn dod_code(&mut self, dod: i64) -> (u64, u32) {
        if dod == 0 {
            return (0, 1);
        }
        for (ones, size) in (1_u32..).zip(DOD_BITS) {
            let half = 1_i64 << (size - 1);
            if -half < dod && dod <= half {
                let prefix = (1_u64 << (ones + 1)) - 2;
                let payload = dod.cast_unsigned() & ((1 << size) - 1);
                return (prefix << size | payload, ones + 1 + size);
            }
        }
        self.append_bits(0b1111, 4);
        self.append_bits(dod.cast_unsigned(), 64);
        (0, 0)
    }

    /// Appends `code` (at most 24 bits) and, behind it, the changed bits of the value.
    #[inline]
    fn append_value(&mut self, code: u64, len: u32, bits: u64) {
        let changed = bits ^ self.last_bits;
        if changed == 0 {
            return self.append_bits(code << 1, len + 1);
        }
        #[expect(clippy::cast_possible_truncation, reason = "both counts are at most 64")]
        let (leading, trailing) =
            ((changed.leading_zeros() as u8).min(LEADING_MAX), changed.trailing_zeros() as u8);
        if self.leading != NO_WINDOW && leading >= self.leading && trailing >= self.trailing {
            self.append_bits(code << 2 | 0b10, len + 2);
        } else {
            (self.leading, self.trailing) = (leading, trailing);
            // 64 significant bits are written as 0: a changed value has at least one.
            let significant = u64::from(64 - leading - trailing) & 63;
            let window = 0b11 << 11 | u64::from(leading) << 6 | significant;
            self.append_bits(code << 13 | window, len + 13);
        }
        let significant = 64 - u32::from(self.leading) - u32::from(self.trailing);
        self.append_bits(changed >> self.trailing, significant);
    }

    fn append_uvarint(&mut self, mut rest: u64) {
        while rest >= 0x80 {
            self.append_bits(rest & 0x7f | 0x80, 8);
            rest >>= 7;
        }
        self.append_bits(rest, 8);
    }

    /// Appends the low `len` bits (1 to 64) of `value`.
    #[inline]
    fn append_bits(&mut self, value: u64, len: u32) {
        let used = u32::from(self.body_bits) % u128::BITS;
        let aligned = u128::from(value) << (u128::BITS - len);
        self.rest |= aligned >> used;
        if used + len >= u128::BITS {
            self.store_word();
            // Two steps, because nothing may be left.
            self.rest = aligned << (u128::BITS - 1 - used) << 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
        let len = len as u16;
        // 120 samples take under 17,600 bits.
        self.body_bits += len;
    }

    fn store_word(&mut self) {
        let at = whole_bytes(self.body_bits);
        if at + WORD_BYTES > self.buffer.len() {
            self.grow(at + WORD_BYTES);
        }
        self.buffer[at..at + WORD_BYTES].copy_from_slice(&self.rest.to_be_bytes());
    }

    #[cold]
    fn grow(&mut self, needed_bytes: usize) {
        let held = self.buffer.len();
        let wanted = needed_bytes.max(held + held / 2).max(FIRST_BUFFER_BYTES);
        let mut larger = vec![0; size_class(wanted)].into_boxed_slice();
        larger[..held].copy_from_slice(&self.buffer);
        self.buffer = larger;
    }
}

// === impl Rest ===

impl Rest {
    /// At most 16 bytes as the word that begins with them.
    fn word(bytes: &[u8]) -> u128 {
        let mut word = [0; WORD_BYTES];
        word[..bytes.len()].copy_from_slice(bytes);
        u128::from_be_bytes(word)
    }
}

impl std::ops::Deref for Rest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Room for the first words of most series.
const FIRST_BUFFER_BYTES: usize = 32;

/// Bytes of a body that are in the buffer.
const fn whole_bytes(body_bits: u16) -> usize {
    body_bits as usize / 8 / WORD_BYTES * WORD_BYTES
}

/// The allocator's size class that holds `bytes`: steps of 16 up to 128, then four a doubling, as
/// jemalloc has them, so that no part of an allocation is out of reach.
fn size_class(bytes: usize) -> usize {
    let step = if bytes <= 128 { 16 } else { bytes.next_power_of_two() / 8 };
    bytes.next_multiple_of(step)
}

/// Decodes a whole chunk and appends its samples to the two columns; returns their number.
///
/// # Errors
/// When the chunk is shorter than its samples; the columns are then as they were.
pub fn decode(
    chunk: &[u8],
    timestamps_ms: &mut Vec<TimestampMs>,
    values: &mut Vec<f64>,
) -> Result<usize, ChunkError> {
    let Some((header, body)) = chunk.split_first_chunk::<HEADER_BYTES>() else {
        return Err(ChunkError::Truncated { bytes: chunk.len(), samples: 0 });
    };
    let samples = usize::from(u16::from_be_bytes(*header));
    decode_body(body, samples, timestamps_ms, values)?;
    Ok(samples)
}

/// Decodes the first `samples` samples of a chunk's body and appends them to the two columns.
///
/// # Errors
/// As [`decode`].
pub fn decode_body(
    body: &[u8],
    samples: usize,
    timestamps_ms: &mut Vec<TimestampMs>,
    values: &mut Vec<f64>,
) -> Result<(), ChunkError> {
    // Two samples can share a byte, so a damaged header cannot ask for more than that allows.
    let truncated = ChunkError::Truncated { bytes: body.len() + HEADER_BYTES, samples };
    if samples > body.len() * 4 + 1 {
        return Err(truncated);
    }
    let (start_t, start_v) = (timestamps_ms.len(), values.len());
    timestamps_ms.resize(start_t + samples, 0);
    values.resize(start_v + samples, 0.0);
    let mut reader = Reader::new(body);
    decode_columns(&mut reader, &mut timestamps_ms[start_t..], &mut values[start_v..]);
    if reader.is_past_end() {
        timestamps_ms.truncate(start_t);
        values.truncate(start_v);
        return Err(truncated);
    }
    Ok(())
}

/// Fills the columns. A reader that runs past its end yields zeros, and says so afterwards.
fn decode_columns(reader: &mut Reader<'_>, timestamps_ms: &mut [TimestampMs], values: &mut [f64]) {
    let mut columns = timestamps_ms.iter_mut().zip(values);
    let Some((t_out, v_out)) = columns.next() else { return };
    let (mut t, mut bits) = (reader.varint(), reader.take(64));
    (*t_out, *v_out) = (t, f64::from_bits(bits));
    let Some((t_out, v_out)) = columns.next() else { return };
    let mut window = (0, 0);
    let mut delta = reader.uvarint();
    t = t.wrapping_add_unsigned(delta);
    let next = reader.peek();
    bits ^= changed_bits(reader, next, &mut window);
    (*t_out, *v_out) = (t, f64::from_bits(bits));
    for (t_out, v_out) in columns {
        let next = reader.peek();
        let (trailing, significant) = window;
        if next >> 61 == 0b010 && significant <= 61 {
            // The usual case: a steady scrape, whose value's bits follow in the same word. In two
            // steps, because a window without bits, which only a damaged chunk has, shifts by 64.
            bits ^= (next << 3 >> 1 >> (63 - significant)) << trailing;
            reader.skip(3 + significant);
        } else if next >> 63 == 0 {
            reader.skip(1);
            bits ^= changed_bits(reader, next << 1, &mut window);
        } else {
            delta = delta.wrapping_add_signed(difference_of_differences(reader, next));
            let next = reader.peek();
            bits ^= changed_bits(reader, next, &mut window);
        }
        t = t.wrapping_add_unsigned(delta);
        (*t_out, *v_out) = (t, f64::from_bits(bits));
    }
}

/// A difference of differences that is not 0; `next` are the reader's next bits.
#[inline]
fn difference_of_differences(reader: &mut Reader<'_>, next: u64) -> i64 {
    let ones = next.leading_ones().min(4);
    let Some(size) = DOD_BITS.get(ones as usize - 1) else {
        reader.skip(4);
        return reader.take(64).cast_signed();
    };
    let prefix = ones + 1;
    reader.skip(prefix + size);
    let payload = ((next << prefix) >> (64 - size)).cast_signed();
    // The upper half stands for negative numbers; the middle itself is positive.
    if payload > 1 << (size - 1) { payload - (1 << size) } else { payload }
}

/// The xor of two consecutive values. `next` are at least 13 of the reader's next bits, `window` is
/// (trailing zeros, significant bits).
#[inline]
fn changed_bits(reader: &mut Reader<'_>, next: u64, window: &mut (u32, u32)) -> u64 {
    if next >> 63 == 0 {
        reader.skip(1);
        return 0;
    }
    if next >> 62 == 0b10 {
        reader.skip(2);
    } else {
        reader.skip(13);
        let (leading, significant) = ((next >> 57) as u32 & 31, (next >> 51) as u32 & 63);
        let significant = if significant == 0 { 64 } else { significant };
        // In a damaged chunk the two may exceed 64 together; any number will do then.
        *window = (64_u32.saturating_sub(leading + significant), significant);
    }
    let (trailing, significant) = *window;
    if significant == 0 {
        return 0;
    }
    reader.take(significant) << trailing
}

#[cfg(test)]
mod tests;
