//! Records of the state store: a version, fields, and a checksum over both.
//!
//! Everything that a head writes goes through here, so every flipped byte is noticed when it is
//! read, and a record of a newer version is refused by its number. Integers are little endian or
//! LEB128 varints (signed ones zigzag); texts stand behind their length.

/// The version that this code writes.
const VERSION: u8 = 1;
/// Bytes of the checksum at the end.
const CRC_BYTES: usize = 4;

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// The checksum does not match.
    #[error("checksum mismatch")]
    Checksum,
    /// Written by a newer version.
    #[error("record version {0} is not supported, this build reads version {VERSION}")]
    Version(u8),
    /// The fields do not fit into the record.
    #[error("record is malformed: {0}")]
    Malformed(&'static str),
}

/// Builds one record after the other in the same buffer.
#[derive(Debug, Default)]
pub(super) struct RecordWriter(Vec<u8>);

/// Reads the fields of one record.
#[derive(Debug)]
pub(super) struct RecordReader<'a>(&'a [u8]);

// === impl RecordWriter ===

impl RecordWriter {
    /// Starts the next record.
    pub(super) fn start(&mut self) -> &mut Self {
        self.0.clear();
        self.0.push(VERSION);
        self
    }

    pub(super) fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub(super) fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Self {
        self.u64(value.cast_unsigned())
    }

    pub(super) fn uvarint(&mut self, value: u64) -> &mut Self {
        put_uvarint(&mut self.0, value);
        self
    }

    pub(super) fn varint(&mut self, value: i64) -> &mut Self {
        self.uvarint(((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.uvarint(bytes.len() as u64);
        self.raw(bytes)
    }

    /// Bytes without their length.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The record, with its checksum.
    pub(super) fn finish(&mut self) -> &[u8] {
        let crc = crc32c::crc32c(&self.0);
        self.0.extend_from_slice(&crc.to_le_bytes());
        &self.0
    }
}

// === impl RecordReader ===

impl<'a> RecordReader<'a> {
    /// Checks version and checksum.
    pub(super) fn open(record: &'a [u8]) -> Result<Self, RecordError> {
        let (content, crc) = record
            .split_last_chunk::<CRC_BYTES>()
            .ok_or(RecordError::Malformed("shorter than its checksum"))?;
        let (version, fields) =
            content.split_first().ok_or(RecordError::Malformed("there is no version"))?;
        if *version != VERSION {
            return Err(RecordError::Version(*version));
        }
        if crc32c::crc32c(content) != u32::from_le_bytes(*crc) {
            return Err(RecordError::Checksum);
        }
        Ok(Self(fields))
    }

    pub(super) fn u8(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, RecordError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, RecordError> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn uvarint(&mut self) -> Result<u64, RecordError> {
        let (value, rest) =
            take_uvarint(self.0).ok_or(RecordError::Malformed("a varint is cut"))?;
        self.0 = rest;
        Ok(value)
    }

    pub(super) fn varint(&mut self) -> Result<i64, RecordError> {
        let zigzag = self.uvarint()?;
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A varint that is a `u32`.
    pub(super) fn id(&mut self) -> Result<u32, RecordError> {
        u32::try_from(self.uvarint()?).map_err(|_| RecordError::Malformed("an id is too large"))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let len = usize::try_from(self.uvarint()?)
            .map_err(|_| RecordError::Malformed("a length is too large"))?;
        self.raw(len)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, RecordError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| RecordError::Malformed("not UTF-8"))
    }

    pub(super) fn raw(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) =
            self.0.split_at_checked(len).ok_or(RecordError::Malformed("a field is cut"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (taken, rest) =
            self.0.split_first_chunk().ok_or(RecordError::Malformed("a field is cut"))?;
        self.0 = rest;
        Ok(*taken)
    }
}

/// Appends a LEB128 varint.
pub(super) fn put_uvarint(out: &mut Vec<u8>, mut rest: u64) {
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// Takes a LEB128 varint off the front.
#[inline]
pub(super) fn take_uvarint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (shift, (i, byte)) in (0..70).step_by(7).zip(bytes.iter().enumerate()) {
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        if *byte < 0x80 {
            return Some((value, &bytes[i + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn fields_come_back_and_every_flipped_bit_is_noticed(
            unsigned in any::<u64>(),
            signed in any::<i64>(),
            text in ".{0,20}",
            flip in any::<prop::sample::Index>(),
        ) {
            let mut writer = RecordWriter::default();
            writer.start().uvarint(unsigned).varint(signed).bytes(text.as_bytes()).u32(7);
            let mut record = writer.finish().to_vec();
            let mut reader = RecordReader::open(&record).unwrap();
            prop_assert_eq!(reader.uvarint().unwrap(), unsigned);
            prop_assert_eq!(reader.varint().unwrap(), signed);
            prop_assert_eq!(reader.text().unwrap(), text);
            prop_assert_eq!(reader.u32().unwrap(), 7);
            prop_assert!(reader.is_empty());
            let bit = flip.index(record.len() * 8);
            record[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(RecordReader::open(&record).is_err());
        }
    }
}
