//! Numbers as bytes: LEB128 varints, and rows of numbers as differences to the row before.

use std::sync::Arc;

use super::BUCKETS_MAX;
use crate::histogram::{Histogram, Side, Span};

/// Reads bytes; past the end, and for what cannot be, there is `None`.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

// === impl Cursor ===

impl<'a> Cursor<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn float(&mut self) -> Option<f64> {
        let (first, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(f64::from_le_bytes(*first))
    }

    fn uvarint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn varint(&mut self) -> Option<i64> {
        self.uvarint().map(unzigzag)
    }

    fn length(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.uvarint()?).ok().filter(|length| *length <= most)
    }

    fn side(&mut self) -> Option<Side> {
        // A span takes two bytes at least.
        let n_spans = self.length(self.left() / 2)?;
        let mut side = Side { spans: Vec::with_capacity(n_spans), counts: Vec::new() };
        let mut buckets = 0;
        for _ in 0..n_spans {
            let offset = i32::try_from(self.varint()?).ok()?;
            let length = self.length(BUCKETS_MAX / 2 - buckets)?;
            buckets += length;
            side.spans.push(Span { offset, length: u32::try_from(length).ok()? });
        }
        side.counts.resize(buckets, 0.0);
        Some(side)
    }

    /// A layout: a histogram whose numbers mean nothing.
    pub(super) fn layout(&mut self) -> Option<Histogram> {
        let schema = i32::try_from(self.varint()?).ok()?;
        let zero_threshold = self.float()?;
        let (positive, negative) = (self.side()?, self.side()?);
        let n_bounds = self.length(self.left() / 8)?;
        let bounds: Option<Arc<[f64]>> = (0..n_bounds).map(|_| self.float()).collect();
        let custom_bounds = bounds?;
        let empty = Histogram::default();
        Some(Histogram { schema, zero_threshold, positive, negative, custom_bounds, ..empty })
    }

    /// The counterpart of [`put_xor`].
    pub(super) fn xor(&mut self, before: f64) -> Option<f64> {
        match self.byte()? {
            trailing @ 0..64 => {
                let changed = self.uvarint()?;
                Some(f64::from_bits(before.to_bits() ^ (changed << trailing)))
            }
            64 => Some(before),
            _ => None,
        }
    }

    /// The counterpart of [`put_numbers`]: changes the row into the next one.
    pub(super) fn numbers(&mut self, row: &mut [f64], is_whole: bool) -> Option<()> {
        let mut row = row.iter_mut();
        while row.len() > 0 {
            let token = self.uvarint()?;
            if token & 1 == 1 {
                let run = usize::try_from(token >> 1).ok().filter(|run| *run < row.len())?;
                row.nth(run)?;
                continue;
            }
            let number = row.next()?;
            *number = if is_whole {
                let difference = unzigzag(token >> 1);
                to_float(whole(*number).unwrap_or(0).wrapping_add(difference))
            } else {
                let trailing = u32::try_from(token >> 1).ok()?;
                let changed = self.uvarint()?.checked_shl(trailing)?;
                f64::from_bits(number.to_bits() ^ changed)
            };
        }
        Some(())
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, value: i64) {
    put_uvarint(out, zigzag(value));
}

fn put_uvarint(out: &mut Vec<u8>, mut rest: u64) {
    while let 0x80.. = rest {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// A layout: schema, zero threshold, spans of both sides, custom bounds.
pub(super) fn put_layout(out: &mut Vec<u8>, histogram: &Histogram) {
    put_varint(out, i64::from(histogram.schema));
    out.extend_from_slice(&histogram.zero_threshold.to_le_bytes());
    for side in [&histogram.positive, &histogram.negative] {
        put_uvarint(out, side.spans.len() as u64);
        for span in &side.spans {
            put_varint(out, i64::from(span.offset));
            put_uvarint(out, u64::from(span.length));
        }
    }
    put_uvarint(out, histogram.custom_bounds.len() as u64);
    histogram.custom_bounds.iter().for_each(|bound| out.extend_from_slice(&bound.to_le_bytes()));
}

/// One float: the trailing zeros of the xor, then its other bits; 64 alone if nothing changed.
pub(super) fn put_xor(out: &mut Vec<u8>, before: f64, value: f64) {
    let changed = before.to_bits() ^ value.to_bits();
    out.push(changed.trailing_zeros().to_le_bytes()[0]);
    if changed != 0 {
        put_uvarint(out, changed >> changed.trailing_zeros());
    }
}

/// A row of numbers, each as the difference to the row before, which becomes this row. Tells
/// whether all of them are whole, so that differences of integers were written.
pub(super) fn put_numbers(out: &mut Vec<u8>, before: &mut [f64], row: &[f64]) -> bool {
    let is_whole = row.iter().all(|number| whole(*number).is_some());
    let mut unchanged = 0;
    for (before, number) in before.iter_mut().zip(row) {
        if before.to_bits() == number.to_bits() {
            unchanged += 1;
            continue;
        }
        put_run(out, unchanged);
        unchanged = 0;
        if let Some(integer) = whole(*number).filter(|_| is_whole) {
            put_uvarint(out, zigzag(integer - whole(*before).unwrap_or(0)) << 1);
        } else {
            let changed = before.to_bits() ^ number.to_bits();
            put_uvarint(out, u64::from(changed.trailing_zeros()) << 1);
            put_uvarint(out, changed >> changed.trailing_zeros());
        }
        *before = *number;
    }
    put_run(out, unchanged);
    is_whole
}

fn put_run(out: &mut Vec<u8>, unchanged: u64) {
    if let Some(run) = unchanged.checked_sub(1) {
        put_uvarint(out, run << 1 | 1);
    }
}

/// The integer that `number` is, bit for bit, up to 2^53.
fn whole(number: f64) -> Option<i64> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    if number.abs() <= MOST {
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^53")]
        let integer = number as i64;
        return (to_float(integer).to_bits() == number.to_bits()).then_some(integer);
    }
    None
}

#[expect(clippy::cast_precision_loss, reason = "the writer takes only integers up to 2^53")]
const fn to_float(integer: i64) -> f64 {
    integer as f64
}
