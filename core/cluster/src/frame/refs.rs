//! Section B of a frame: runs of refs that follow on one another.

use model::SeriesRef;

/// The most bytes of one run: two varints of 32 bits.
const RUN_BYTES_MAX: usize = 10;

/// Refs as they come, as runs; the last run is still open.
#[derive(Debug, Default)]
pub(super) struct RefsBuilder {
    closed: Vec<u8>,
    /// One after the last ref of the last closed run.
    closed_end: u32,
    first: u32,
    count: u32,
}

/// The raw refs of a frame, one a sample; see [`super::FrameRef::decode`].
#[derive(Debug, Clone)]
pub struct Refs<'a> {
    rest: &'a [u8],
    next: u32,
    /// Refs of this run that are still to come.
    run: u32,
    /// Refs of all runs that are still to come.
    left: usize,
}

// === impl RefsBuilder ===

impl RefsBuilder {
    #[inline]
    pub(super) fn push(&mut self, raw: u32) {
        if self.count > 0 && raw == self.first.wrapping_add(self.count) {
            self.count += 1;
            return;
        }
        self.close();
        (self.first, self.count) = (raw, 1);
    }

    pub(super) fn clear(&mut self) {
        self.closed.clear();
        (self.closed_end, self.first, self.count) = (0, 0, 0);
    }

    /// The size of what [`RefsBuilder::write_to`] writes.
    pub(super) fn bytes(&self) -> usize {
        self.closed.len() + self.open().1
    }

    pub(super) const fn capacity_bytes(&self) -> usize {
        self.closed.capacity()
    }

    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        let (open, len) = self.open();
        out.extend_from_slice(&self.closed);
        out.extend_from_slice(&open[..len]);
    }

    fn close(&mut self) {
        let (open, len) = self.open();
        self.closed.extend_from_slice(&open[..len]);
        self.closed_end = self.first.wrapping_add(self.count);
    }

    /// The open run as it is written, and its size; nothing when there is none.
    fn open(&self) -> ([u8; RUN_BYTES_MAX], usize) {
        let (mut run, mut len) = ([0; RUN_BYTES_MAX], 0);
        if self.count > 0 {
            put_varint(zigzag(self.first.wrapping_sub(self.closed_end)), &mut run, &mut len);
            put_varint(self.count - 1, &mut run, &mut len);
        }
        (run, len)
    }
}

// === impl Refs ===

impl<'a> Refs<'a> {
    pub(super) const fn new(section: &'a [u8], samples: usize) -> Self {
        Self { rest: section, next: 0, run: 0, left: samples }
    }

    /// Begins the next run; `None` when there is none or it is cut.
    fn next_run(&mut self) -> Option<()> {
        let skip = take_varint(&mut self.rest)?;
        let more = take_varint(&mut self.rest)?;
        self.next = self.next.wrapping_add(unzigzag(skip));
        self.run = more.checked_add(1)?;
        Some(())
    }
}

impl Iterator for Refs<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.run == 0 {
            self.next_run()?;
        }
        let raw = self.next;
        self.next = raw.wrapping_add(1);
        self.run -= 1;
        self.left = self.left.saturating_sub(1);
        Some(raw)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Refs<'_> {}

/// Checks that `section` has exactly `samples` refs, and that those of new series are below
/// `new_series`.
pub(super) fn check(section: &[u8], samples: usize, new_series: u32) -> Result<(), &'static str> {
    let mut refs = Refs::new(section, samples);
    let mut left = samples;
    while !refs.rest.is_empty() {
        refs.next_run().ok_or("section B is cut")?;
        left = left.checked_sub(refs.run as usize).ok_or("section B has too many refs")?;
        let last = refs.next.checked_add(refs.run - 1).ok_or("a run of refs has no end")?;
        if last >= SeriesRef::LIMIT {
            let is_new = refs.next >= SeriesRef::LIMIT && last - SeriesRef::LIMIT < new_series;
            is_new.then_some(()).ok_or("a ref points past section A")?;
        }
        refs.next = last.wrapping_add(1);
    }
    (left == 0).then_some(()).ok_or("section B has too few refs")
}

/// Small numbers for those near zero, of either sign.
const fn zigzag(delta: u32) -> u32 {
    (delta << 1) ^ (delta >> 31).wrapping_neg()
}

const fn unzigzag(zigzag: u32) -> u32 {
    (zigzag >> 1) ^ (zigzag & 1).wrapping_neg()
}

/// Seven bits a byte, the lowest first; all bytes but the last have bit 7 set.
fn put_varint(mut value: u32, out: &mut [u8; RUN_BYTES_MAX], len: &mut usize) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        out[*len] = if value == 0 { low & 0x7f } else { low | 0x80 };
        *len += 1;
        if value == 0 {
            return;
        }
    }
}

fn take_varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        let bits = u32::from(byte & 0x7f);
        if bits.leading_zeros() < shift {
            return None; // Beyond 32 bits.
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;

    fn section(refs: &[u32]) -> Vec<u8> {
        let (mut builder, mut out) = (RefsBuilder::default(), Vec::new());
        refs.iter().for_each(|raw| builder.push(*raw));
        builder.write_to(&mut out);
        assert_eq!(out.len(), builder.bytes());
        out
    }

    #[test]
    fn neighbours_cost_nothing() {
        let refs: Vec<u32> = (1_000..1_500).chain(90_000..90_500).collect();
        assert_eq!(section(&refs).len(), 2 + 2 + 3 + 2);
        assert_eq!(section(&[]), [0; 0]);
        assert_eq!(section(&[0, 1, 2]), [0, 2]);
        assert_eq!(section(&[5, 4]), [10, 0, 3, 0], "one after 5 is 6, and 4 lies 2 before it");
    }

    #[test]
    fn refs_of_new_series_must_point_at_one() {
        let new = SeriesRef::LIMIT;
        assert_eq!(check(&section(&[new, new + 1]), 2, 2), Ok(()));
        let past = Err("a ref points past section A");
        assert_eq!(check(&section(&[new, new + 1]), 2, 1), past);
        assert_eq!(check(&section(&[new - 1, new]), 2, 9), past, "a run is of one kind");
        assert_eq!(check(&[0], 1, 0), Err("section B is cut"));
        assert_eq!(check(&[0, 0xff, 0xff, 0xff, 0xff, 0x1f], 1, 0), Err("section B is cut"));
        assert_eq!(check(&[0, 2], 2, 0), Err("section B has too many refs"));
        assert_eq!(check(&[0, 2], 4, 0), Err("section B has too few refs"));
        let all = [0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(check(&all, usize::MAX, 0), Err("section B is cut"), "2^32 refs");
    }

    proptest! {
        #[test]
        fn refs_come_out_as_they_went_in(
            runs in prop::collection::vec(
                (prop_oneof![0..50_u32, any::<u32>()], 1..9_u32), 0..20),
        ) {
            let refs: Vec<u32> =
                runs.iter().flat_map(|(first, n)| (0..*n).map(|i| first.wrapping_add(i))).collect();
            let section = section(&refs);
            prop_assert!(section.len() <= runs.len() * RUN_BYTES_MAX);
            let back = Refs::new(&section, refs.len());
            prop_assert_eq!(back.len(), refs.len());
            prop_assert_eq!(back.collect::<Vec<_>>(), refs);
        }

        #[test]
        fn damaged_sections_end(bytes in prop::collection::vec(any::<u8>(), 0..40), n in 0..99_usize) {
            if check(&bytes, n, 7).is_ok() {
                prop_assert_eq!(Refs::new(&bytes, n).count(), n);
            }
        }
    }
}
