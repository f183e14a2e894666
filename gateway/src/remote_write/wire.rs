//! The protobuf wire format, read in place: tags, varints, and borrowed slices.
//!
//! Invariant: nothing here allocates or reads past the slice it was given; whatever does not fit is
//! an error that names the byte. Groups are refused: remote write has none, and skipping nested
//! ones needs a recursion limit.
//!
//! Source of the format: <https://protobuf.dev/programming-guides/encoding/>.

/// The longest varint: ten bytes of seven bits.
const VARINT_BYTES_MAX: usize = 10;

/// Why bytes are not the message that they should be. Offsets count from the start of the
/// decompressed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WireError {
    /// A length or a fixed-size value goes past the end of its message.
    #[error("byte {offset}: field {field} needs {needed} bytes, {left} are left")]
    Truncated { offset: usize, field: u32, needed: u64, left: usize },
    /// A varint has no end, or more than 64 bits.
    #[error("byte {offset}: varint is cut or longer than {VARINT_BYTES_MAX} bytes")]
    Varint { offset: usize },
    /// Field numbers begin at 1 and end at 2^29 − 1.
    #[error("byte {offset}: {number} is not a field number")]
    FieldNumber { offset: usize, number: u64 },
    /// A known field in a form that it never has.
    #[error("byte {offset}: field {field} has wire type {got}, expected {expected}")]
    WireType { offset: usize, field: u32, got: u8, expected: u8 },
    /// Wire types 3 and 4 are groups, 6 and 7 do not exist.
    #[error("byte {offset}: field {field} has wire type {wire_type}, which is not supported")]
    Unsupported { offset: usize, field: u32, wire_type: u8 },
}

/// Wire types of the fields that remote write has.
pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const LEN: u8 = 2;
const FIXED32: u8 = 5;

/// Reads one message from front to back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where `bytes` begins in the body; only for errors.
    base: usize,
}

/// A field's number and wire type, and where its tag stood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag {
    pub(crate) field: u32,
    pub(crate) wire_type: u8,
    offset: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// A reader of `bytes`, which begin at `base` of the body.
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, at: 0, base }
    }

    /// Where the next byte stands in the body.
    #[inline]
    pub(crate) const fn offset(&self) -> usize {
        self.base + self.at
    }

    /// The bytes that are left.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Goes past `n` bytes of [`Reader::rest`].
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        self.at = (self.at + n).min(self.bytes.len());
    }

    /// The next tag; `None` at the end of the message.
    #[inline]
    pub(crate) fn tag(&mut self) -> Result<Option<Tag>, WireError> {
        let offset = self.offset();
        let key = match self.bytes.get(self.at) {
            None => return Ok(None),
            Some(short @ 0..0x80) => {
                self.at += 1;
                u64::from(*short)
            }
            Some(_) => self.varint()?,
        };
        let number = key >> 3;
        match u32::try_from(number) {
            Ok(field @ 1..0x2000_0000) => {
                Ok(Some(Tag { field, wire_type: (key & 7) as u8, offset }))
            }
            _ => Err(WireError::FieldNumber { offset, number }),
        }
    }

    /// A varint of at most 64 bits.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireError> {
        let rest = self.rest();
        if let Some(short @ 0..0x80) = rest.first() {
            self.at += 1;
            return Ok(u64::from(*short));
        }
        if let Some(word) = rest.first_chunk::<8>()
            && let Some((value, len)) = varint_of_word(u64::from_le_bytes(*word))
        {
            self.at += len;
            return Ok(value);
        }
        self.varint_slow()
    }

    #[cold]
    fn varint_slow(&mut self) -> Result<u64, WireError> {
        let offset = self.offset();
        let mut value = 0_u64;
        for (i, byte) in self.rest().iter().take(VARINT_BYTES_MAX).enumerate() {
            // Bits beyond the 64th are dropped, as every protobuf library does.
            value |= u64::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(WireError::Varint { offset })
    }

    /// The contents of a length-delimited field, as a reader.
    #[inline]
    pub(crate) fn message(&mut self, tag: Tag) -> Result<Self, WireError> {
        let bytes = self.bytes(tag)?;
        Ok(Self::new(bytes, self.offset() - bytes.len()))
    }

    /// The contents of a length-delimited field.
    #[inline]
    pub(crate) fn bytes(&mut self, tag: Tag) -> Result<&'a [u8], WireError> {
        tag.expect(LEN)?;
        let needed = self.varint()?;
        let rest = self.rest();
        let taken = usize::try_from(needed).ok().and_then(|needed| rest.get(..needed));
        let Some(taken) = taken else {
            let (offset, left) = (self.offset(), rest.len());
            return Err(WireError::Truncated { offset, field: tag.field, needed, left });
        };
        self.at += taken.len();
        Ok(taken)
    }

    /// A fixed 64-bit field.
    #[inline]
    pub(crate) fn fixed64(&mut self, tag: Tag) -> Result<u64, WireError> {
        tag.expect(FIXED64)?;
        Ok(u64::from_le_bytes(self.chunk(tag)?))
    }

    /// A varint field.
    #[inline]
    pub(crate) fn varint_field(&mut self, tag: Tag) -> Result<u64, WireError> {
        tag.expect(VARINT)?;
        self.varint()
    }

    /// Goes past a field that this reader does not know.
    pub(crate) fn skip(&mut self, tag: Tag) -> Result<(), WireError> {
        match tag.wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.chunk::<8>(tag).map(drop),
            LEN => self.bytes(tag).map(drop),
            FIXED32 => self.chunk::<4>(tag).map(drop),
            wire_type => {
                Err(WireError::Unsupported { offset: tag.offset, field: tag.field, wire_type })
            }
        }
    }

    #[inline]
    fn chunk<const N: usize>(&mut self, tag: Tag) -> Result<[u8; N], WireError> {
        let rest = self.rest();
        let Some(chunk) = rest.first_chunk::<N>() else {
            let (offset, left) = (self.offset(), rest.len());
            return Err(WireError::Truncated { offset, field: tag.field, needed: N as u64, left });
        };
        self.at += N;
        Ok(*chunk)
    }
}

// === impl Tag ===

impl Tag {
    #[inline]
    const fn expect(self, expected: u8) -> Result<(), WireError> {
        if self.wire_type == expected {
            return Ok(());
        }
        let Self { field, wire_type, offset } = self;
        Err(match wire_type {
            3 | 4 | 6 | 7 => WireError::Unsupported { offset, field, wire_type },
            got => WireError::WireType { offset, field, got, expected },
        })
    }
}

/// The varint at the low end of `word` and its length, if it ends within the word.
///
/// Today's timestamps take six bytes. Seven bits of every byte are pushed together in three steps
/// (1 × 8 → 2 × 7 → 4 × 14 → 8 × 28 bits), which costs no branch a byte.
#[inline]
pub(crate) const fn varint_of_word(word: u64) -> Option<(u64, usize)> {
    const CONTINUES: u64 = 0x8080_8080_8080_8080;
    let ends = !word & CONTINUES;
    if ends == 0 {
        return None;
    }
    let bits = ends.trailing_zeros() + 1;
    let x = word & (u64::MAX >> (64 - bits)) & !CONTINUES;
    let x = (x & 0x007f_007f_007f_007f) | (x & 0x7f00_7f00_7f00_7f00) >> 1;
    let x = (x & 0x0000_3fff_0000_3fff) | (x & 0x3fff_0000_3fff_0000) >> 2;
    let x = (x & 0x0fff_ffff) | (x & 0x0fff_ffff_0000_0000) >> 4;
    Some((x, (bits / 8) as usize))
}
