//! Bit streams, most significant bit first, as Prometheus' `bstream` lays them out.
//!
//! A reader takes any 64 bits with two loads.

/// Bytes at the end of a stream that are read from a padded copy.
const TAIL_BYTES: usize = 16;

/// Reads a bit stream. Past its end it reads zeros; [`Reader::is_past_end`] tells.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The last bytes of the stream with zeros behind them, so that a word can be read anywhere.
    tail: [u8; 2 * TAIL_BYTES],
    tail_start: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let tail_start = bytes.len().saturating_sub(TAIL_BYTES);
        let mut tail = [0; 2 * TAIL_BYTES];
        tail[..bytes.len() - tail_start].copy_from_slice(&bytes[tail_start..]);
        Self { bytes, at: 0, tail, tail_start }
    }

    /// The next 64 bits, which are not consumed.
    #[inline]
    pub(super) fn peek(&self) -> u64 {
        let (byte, shift) = (self.at / 8, self.at % 8);
        let whole = self.bytes.get(byte..).and_then(<[u8]>::first_chunk::<9>).or_else(|| {
            let tail = self.tail.get(byte.wrapping_sub(self.tail_start)..);
            tail.and_then(<[u8]>::first_chunk::<9>)
        });
        let Some([a, b, c, d, e, f, g, h, ninth]) = whole else { return 0 };
        let word = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
        word << shift | u64::from(*ninth) >> (8 - shift)
    }

    #[inline]
    pub(super) const fn skip(&mut self, bits: u32) {
        self.at += bits as usize;
    }

    /// Consumes `bits` bits (1 to 64).
    #[inline]
    pub(super) fn take(&mut self, bits: u32) -> u64 {
        let taken = self.peek() >> (64 - bits);
        self.skip(bits);
        taken
    }

    /// Go's `binary.Uvarint`: seven bits a byte, least significant first.
    pub(super) fn uvarint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.take(8);
            value |= (byte & 0x7f).checked_shl(shift).unwrap_or_default();
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    /// Go's `binary.Varint`: zigzag over [`Reader::uvarint`].
    pub(super) fn varint(&mut self) -> i64 {
        let zigzag = self.uvarint();
        (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed()
    }

    /// Whether more bits were consumed than there were.
    pub(super) const fn is_past_end(&self) -> bool {
        self.at > self.bytes.len() * 8
    }
}
