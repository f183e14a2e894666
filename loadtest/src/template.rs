//! A remote-write request that is encoded once and patched for each tick.
//!
//! A request carries one sample of each series of a group. Labels never change, so they are encoded
//! and compressed once; value and timestamp have fixed widths and are overwritten where they stand.
//! That is what makes the sender cheap enough to measure a server on the same machine.

use std::ops::Range;

use crate::fleet::Fleet;
use crate::identity::{Cadence, Lane, value_bits};
use crate::snappy::{compress, put_varint};

/// Bytes of a sample after its first tag: value (8), the timestamp's tag (1), timestamp (6).
const SAMPLE_BYTES: usize = 15;
/// Timestamps whose varint has six bytes: from 2^35 ms (1971) to 2^42 ms (2109).
const TIMESTAMP_MS: Range<i64> = 1 << 35..1 << 42;

/// Who compresses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Compression {
    /// Once, with the samples as literals; nothing is compressed while sending.
    Patched,
    /// The `snap` crate, every time: smaller on the wire, dearer for the sender.
    Stock,
}

/// The encoded request of one group of series.
#[derive(Debug)]
pub struct Template {
    /// The series it carries.
    pub series: Range<u32>,
    lanes: Vec<Lane>,
    /// What is patched: a snappy block, or a protobuf message that is compressed afterwards.
    body: Vec<u8>,
    /// Where each sample's value begins in `body`.
    places: Vec<usize>,
    compression: Compression,
    compressed: Vec<u8>,
}

// === impl Template ===

impl Template {
    /// Encodes the request for `series`.
    #[must_use]
    pub fn new(fleet: &Fleet, series: Range<u32>, compression: Compression) -> Self {
        let message = encode(fleet, series.clone());
        let (body, places) = match compression {
            Compression::Patched => {
                let fixed: Vec<_> =
                    message.places.iter().map(|at| *at..at + SAMPLE_BYTES).collect();
                let block = compress(&message.bytes, &fixed);
                (block.bytes, block.places)
            }
            Compression::Stock => (message.bytes, message.places),
        };
        let lanes = series.clone().map(|s| fleet.lane(s)).collect();
        Self { series, lanes, body, places, compression, compressed: Vec::new() }
    }

    /// The compressed request that carries sample `q` of each series.
    ///
    /// # Errors
    /// The timestamp does not fit in the six bytes kept for it, or the message is too large for snappy.
    pub fn at(&mut self, cadence: Cadence, q: u32) -> anyhow::Result<&[u8]> {
        let timestamp_ms = cadence.at(q);
        if !TIMESTAMP_MS.contains(&timestamp_ms) {
            anyhow::bail!("timestamp {timestamp_ms} ms of sample {q} is not between 1971 and 2109");
        }
        let timestamp = six_byte_varint(timestamp_ms.unsigned_abs());
        for ((s, lane), at) in self.series.clone().zip(&self.lanes).zip(&self.places) {
            let sample = &mut self.body[*at..at + SAMPLE_BYTES];
            sample[..8].copy_from_slice(&value_bits(*lane, s, q).to_le_bytes());
            sample[9..].copy_from_slice(&timestamp);
        }
        if self.compression == Compression::Patched {
            return Ok(&self.body);
        }
        self.compressed.resize(snap::raw::max_compress_len(self.body.len()), 0);
        let n = snap::raw::Encoder::new().compress(&self.body, &mut self.compressed)?;
        Ok(&self.compressed[..n])
    }
}

struct Message {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

/// `prometheus.WriteRequest` with one sample a series, values and timestamps still to be filled in.
fn encode(fleet: &Fleet, series: Range<u32>) -> Message {
    let mut message = Message { bytes: Vec::new(), places: Vec::new() };
    for s in series {
        let mut timeseries = Vec::new();
        for (name, value) in fleet.labels(s) {
            let mut label = Vec::new();
            put_field(&mut label, 1, name.as_bytes());
            put_field(&mut label, 2, value.as_bytes());
            put_field(&mut timeseries, 1, &label);
        }
        let mut sample = vec![0x09];
        sample.extend([0; 8]);
        sample.push(0x10);
        sample.extend(six_byte_varint(TIMESTAMP_MS.start.unsigned_abs()));
        put_field(&mut timeseries, 2, &sample);
        put_field(&mut message.bytes, 1, &timeseries);
        message.places.push(message.bytes.len() - SAMPLE_BYTES);
    }
    message
}

/// Appends a length-delimited protobuf field.
fn put_field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push((field << 3) | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn six_byte_varint(value: u64) -> [u8; 6] {
    std::array::from_fn(|i| (value >> (7 * i)) as u8 | if i < 5 { 0x80 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::{Compression, Template};
    use crate::fleet::Fleet;
    use crate::identity::{Cadence, value_bits};

    #[test]
    fn both_compressions_carry_the_same_message_and_the_samples_are_in_it() {
        let fleet = Fleet { hosts: 2, series_per_host: 100, run: "a".to_owned() };
        let cadence = Cadence { start_ms: 1_700_000_000_000, step_ms: 15_000 };
        let mut patched = Template::new(&fleet, 50..150, Compression::Patched);
        let mut stock = Template::new(&fleet, 50..150, Compression::Stock);
        for q in [0, 1, 77] {
            let decode = |block: &[u8]| snap::raw::Decoder::new().decompress_vec(block).unwrap();
            let message = decode(patched.at(cadence, q).unwrap());
            assert_eq!(message, decode(stock.at(cadence, q).unwrap()));
            let bits = value_bits(fleet.lane(149), 149, q).to_le_bytes();
            assert_eq!(message[message.len() - 15..message.len() - 7], bits);
        }
    }
}
