//! A snappy encoder that leaves chosen bytes alone, so that they can be patched in place later.
//!
//! The chosen ranges are always written as literals and are never the source of a copy; all else is
//! compressed as usual. A stock decoder reads the block and does the usual work on it: copies for
//! the labels, literals for the samples. (Format: google/snappy `format_description.txt`.)

use std::ops::Range;

/// Shortest copy worth its three bytes.
const MATCH_MIN: usize = 4;
/// Farthest source a two-byte offset reaches.
const OFFSET_MAX: usize = 65_535;
const HASH_BITS: u32 = 14;

/// A block whose chosen bytes stand at known places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The compressed bytes.
    pub bytes: Vec<u8>,
    /// For each chosen range, where its first byte stands in `bytes`; the rest follows it.
    pub places: Vec<usize>,
}

/// Compresses `raw`, keeping `fixed` (sorted, disjoint ranges) as literals.
#[must_use]
pub fn compress(raw: &[u8], fixed: &[Range<usize>]) -> Block {
    let mut is_fixed = vec![false; raw.len()];
    for range in fixed {
        is_fixed[range.clone()].fill(true);
    }
    let mut encoder = Encoder {
        raw,
        is_fixed,
        fixed,
        literal_start: 0,
        table: vec![usize::MAX; 1 << HASH_BITS],
        block: Block { bytes: Vec::with_capacity(raw.len() / 2), places: Vec::new() },
    };
    put_varint(&mut encoder.block.bytes, raw.len() as u64);
    let mut from = 0;
    for range in fixed {
        encoder.compress_stretch(from..range.start);
        from = range.end;
    }
    encoder.compress_stretch(from..raw.len());
    encoder.put_literal(raw.len());
    encoder.block
}

struct Encoder<'a> {
    raw: &'a [u8],
    is_fixed: Vec<bool>,
    /// Ranges that are not yet placed.
    fixed: &'a [Range<usize>],
    /// Everything before it is in the block.
    literal_start: usize,
    /// Last position of each hash of four bytes.
    table: Vec<usize>,
    block: Block,
}

// === impl Encoder ===

impl Encoder<'_> {
    /// Finds copies for a stretch that holds no fixed byte.
    fn compress_stretch(&mut self, stretch: Range<usize>) {
        let mut at = stretch.start;
        while at + MATCH_MIN <= stretch.end {
            let slot = hash(&self.raw[at..at + MATCH_MIN]);
            let source = std::mem::replace(&mut self.table[slot], at);
            let length = self.match_length(source, at, stretch.end);
            if length < MATCH_MIN {
                at += 1;
                continue;
            }
            self.put_literal(at);
            self.put_copy(at - source, length);
            at += length;
            self.literal_start = at;
        }
    }

    fn match_length(&self, source: usize, at: usize, end: usize) -> usize {
        if source == usize::MAX || at - source > OFFSET_MAX {
            return 0;
        }
        (0..end - at)
            .take_while(|i| !self.is_fixed[source + i] && self.raw[source + i] == self.raw[at + i])
            .count()
    }

    /// Writes `literal_start..end` as it is and notes where fixed ranges came to stand.
    #[expect(clippy::cast_possible_truncation, reason = "the low bytes are meant")]
    fn put_literal(&mut self, end: usize) {
        if end == self.literal_start {
            return;
        }
        let n = end - self.literal_start - 1;
        let out = &mut self.block.bytes;
        match n {
            0..60 => out.push((n << 2) as u8),
            60..256 => out.extend([60 << 2, n as u8]),
            256..65_536 => out.extend([61 << 2, n as u8, (n >> 8) as u8]),
            _ => out.extend([63 << 2, n as u8, (n >> 8) as u8, (n >> 16) as u8, (n >> 24) as u8]),
        }
        let origin = out.len();
        out.extend_from_slice(&self.raw[self.literal_start..end]);
        while let Some((range, rest)) = self.fixed.split_first() {
            if range.start >= end {
                break;
            }
            self.block.places.push(origin + range.start - self.literal_start);
            self.fixed = rest;
        }
        self.literal_start = end;
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bytes are meant")]
    fn put_copy(&mut self, offset: usize, mut length: usize) {
        while length > 0 {
            let part = length.min(64);
            let tag = ((part - 1) << 2) | 2;
            self.block.bytes.extend([tag as u8, offset as u8, (offset >> 8) as u8]);
            length -= part;
        }
    }
}

fn hash(four: &[u8]) -> usize {
    let word = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
    (word.wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS)) as usize
}

/// Appends a protobuf or snappy varint.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::compress;

    #[test]
    fn a_stock_decoder_reads_the_block_and_patched_bytes_come_through() {
        let line = b"__name__=node_cpu_seconds_total instance=host-17 [0123456789abcde]";
        let mut raw = line.repeat(3000);
        let fixed: Vec<_> = (0..3000).map(|i| i * line.len() + 50..i * line.len() + 65).collect();
        let mut block = compress(&raw, &fixed);
        assert!(block.bytes.len() < raw.len() / 2);
        assert_eq!(block.places.len(), fixed.len());
        for (i, place) in block.places.iter().enumerate() {
            let text = format!("{i:015}");
            block.bytes[*place..place + 15].copy_from_slice(text.as_bytes());
            raw[fixed[i].clone()].copy_from_slice(text.as_bytes());
        }
        assert_eq!(snap::raw::Decoder::new().decompress_vec(&block.bytes).unwrap(), raw);
    }

    #[test]
    fn without_fixed_ranges_it_is_an_ordinary_block() {
        for length in [0, 1, 3, 59, 60, 61, 300, 70_000] {
            let raw: Vec<u8> = (0..length).map(|i: u64| (i * i % 251) as u8).collect();
            let block = compress(&raw, &[]);
            assert_eq!(snap::raw::Decoder::new().decompress_vec(&block.bytes).unwrap(), raw);
        }
    }
}
