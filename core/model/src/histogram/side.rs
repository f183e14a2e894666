//! Reading and rewriting the buckets of one side.

use super::{Side, Span};

/// The present buckets of a side as (index, count), ascending by index.
#[derive(Debug, Clone)]
pub struct Indexed<'a> {
    spans: &'a [Span],
    counts: &'a [f64],
    /// Index of the next bucket from the front, and buckets left in its span.
    front: (i32, u32),
    /// Index behind the next bucket from the back, and buckets left in its span.
    back: (i32, u32),
}

/// [`Indexed`], merged to a lower resolution.
#[derive(Debug, Clone)]
pub(super) struct Merged<'a> {
    buckets: Indexed<'a>,
    pending: Option<(i32, f64)>,
    shift: u32,
}

/// Writes buckets in ascending order of their index.
#[derive(Debug, Default)]
pub(super) struct SideWriter {
    side: Side,
    /// The index behind the last bucket.
    next: i32,
}

// === impl Indexed ===

impl<'a> Indexed<'a> {
    fn new(side: &'a Side) -> Self {
        let first = side.spans.first().copied().unwrap_or_default();
        let last = side.spans.last().copied().unwrap_or_default();
        Self {
            spans: &side.spans,
            counts: &side.counts,
            front: (first.offset, first.length),
            back: (end_of(&side.spans), last.length),
        }
    }
}

impl Iterator for Indexed<'_> {
    type Item = (i32, f64);

    #[inline]
    fn next(&mut self) -> Option<(i32, f64)> {
        let (count, rest) = self.counts.split_first()?;
        while self.front.1 == 0 {
            self.spans = self.spans.get(1..)?;
            let span = self.spans.first()?;
            self.front = (self.front.0.wrapping_add(span.offset), span.length);
        }
        let index = self.front.0;
        self.front = (index.wrapping_add(1), self.front.1 - 1);
        self.counts = rest;
        Some((index, *count))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.counts.len()))
    }
}

impl DoubleEndedIterator for Indexed<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<(i32, f64)> {
        let (count, rest) = self.counts.split_last()?;
        while self.back.1 == 0 {
            let (span, before) = self.spans.split_last()?;
            self.spans = before;
            self.back = (self.back.0.wrapping_sub(span.offset), before.last()?.length);
        }
        let index = self.back.0.wrapping_sub(1);
        self.back = (index, self.back.1 - 1);
        self.counts = rest;
        Some((index, *count))
    }
}

/// The index behind the last bucket.
fn end_of(spans: &[Span]) -> i32 {
    spans.iter().fold(0_i32, |end, span| {
        end.wrapping_add(span.offset).wrapping_add(span.length.cast_signed())
    })
}

// === impl Merged ===

impl Iterator for Merged<'_> {
    type Item = (i32, f64);

    #[inline]
    fn next(&mut self) -> Option<(i32, f64)> {
        if self.shift == 0 {
            return self.buckets.next();
        }
        let (index, mut total) = self.pending.take().or_else(|| self.next_shifted())?;
        while let Some((other, count)) = self.next_shifted() {
            if other != index {
                self.pending = Some((other, count));
                break;
            }
            total += count;
        }
        Some((index, total))
    }
}

impl Merged<'_> {
    fn next_shifted(&mut self) -> Option<(i32, f64)> {
        let (index, count) = self.buckets.next()?;
        Some((coarser_index(index, self.shift), count))
    }
}

/// The index of the bucket that contains bucket `index` at a schema lower by `shift`.
#[inline]
pub(super) const fn coarser_index(index: i32, shift: u32) -> i32 {
    let shift = if shift > 31 { 31 } else { shift };
    (index.wrapping_sub(1) >> shift).wrapping_add(1)
}

// === impl SideWriter ===

impl SideWriter {
    pub(super) fn with_capacity(buckets: usize) -> Self {
        let side = Side { spans: Vec::with_capacity(2), counts: Vec::with_capacity(buckets) };
        Self { side, next: 0 }
    }

    /// Appends a bucket behind the last one.
    #[inline]
    pub(super) fn push(&mut self, index: i32, count: f64) {
        let gap = index.wrapping_sub(self.next);
        match self.side.spans.last_mut() {
            Some(last) if gap == 0 => last.length += 1,
            _ => self.side.spans.push(Span { offset: gap, length: 1 }),
        }
        self.side.counts.push(count);
        self.next = index.wrapping_add(1);
    }

    /// Fills the gap between the last bucket and `index` with empty ones if it is at most `empty_max`.
    pub(super) fn fill(&mut self, index: i32, empty_max: usize) {
        let gap = usize::try_from(index.wrapping_sub(self.next));
        if !self.side.spans.is_empty() && gap.is_ok_and(|gap| gap <= empty_max) {
            (self.next..index).for_each(|empty| self.push(empty, 0.0));
        }
    }

    pub(super) fn finish(self) -> Side {
        self.side
    }
}

// === impl Side ===

impl Side {
    /// A side with one span of buckets, the first of which has the index `offset`.
    #[must_use]
    pub fn consecutive(offset: i32, counts: Vec<f64>) -> Self {
        let length = u32::try_from(counts.len()).unwrap_or(u32::MAX);
        let spans = if length == 0 { Vec::new() } else { vec![Span { offset, length }] };
        Self { spans, counts }
    }

    /// The present buckets as (index, count), ascending by index.
    #[inline]
    #[must_use]
    pub fn indexed(&self) -> Indexed<'_> {
        Indexed::new(self)
    }

    /// Whether no bucket is present, populated or not.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The buckets merged to a schema lower by `shift`.
    #[inline]
    pub(super) fn merged(&self, shift: u32) -> Merged<'_> {
        Merged { buckets: self.indexed(), pending: None, shift }
    }

    /// Merges the buckets to a schema lower by `shift`, for good.
    pub(super) fn reduce(&mut self, shift: u32) {
        if shift == 0 {
            return;
        }
        let mut writer = SideWriter::with_capacity(self.counts.len());
        for (index, count) in self.merged(shift) {
            writer.push(index, count);
        }
        *self = writer.finish();
    }

    /// Adds `other` bucket by bucket; buckets that are missing here are inserted.
    pub(super) fn add(&mut self, other: impl Iterator<Item = (i32, f64)> + Clone) {
        if self.add_present(other.clone()) {
            return;
        }
        let mut writer = SideWriter::with_capacity(self.counts.len() + 4);
        join(self.indexed(), other, |index, own, other| {
            let count = match (own, other) {
                (Some(own), Some(other)) => own + other,
                (own, other) => own.or(other).unwrap_or(0.0),
            };
            writer.push(index, count);
        });
        *self = writer.finish();
    }

    /// The usual case: every bucket of `other` is present, so nothing has to move. Adds nothing
    /// and says so if one is missing.
    fn add_present(&mut self, other: impl Iterator<Item = (i32, f64)> + Clone) -> bool {
        let mut own = self.indexed().map(|(index, _)| index);
        if !other.clone().all(|(index, _)| own.by_ref().any(|candidate| candidate == index)) {
            return false;
        }
        let mut other = other.peekable();
        let Self { spans, counts } = self;
        let mut counts = counts.iter_mut();
        let mut index = 0_i32;
        for span in spans.iter() {
            index = index.wrapping_add(span.offset);
            for count in counts.by_ref().take(span.length as usize) {
                if let Some((_, added)) = other.next_if(|(at, _)| *at == index) {
                    *count += added;
                }
                index = index.wrapping_add(1);
            }
        }
        true
    }

    /// Removes empty buckets, but keeps or inserts them where at most `empty_max` of them lie
    /// between two populated ones, so that these share a span.
    pub(super) fn compact(&mut self, empty_max: usize) {
        if !self.is_compact(empty_max) {
            let populated = self.indexed().filter(|(_, count)| *count != 0.0);
            let mut writer = SideWriter::with_capacity(self.counts.len());
            for (index, count) in populated {
                writer.fill(index, empty_max);
                writer.push(index, count);
            }
            *self = writer.finish();
        }
    }

    pub(super) fn is_compact(&self, empty_max: usize) -> bool {
        let is_apart = |span: &Span| usize::try_from(span.offset).is_ok_and(|gap| gap > empty_max);
        self.counts.iter().all(|count| *count != 0.0)
            && self.spans.iter().all(|span| span.length > 0)
            && self.spans.iter().skip(1).all(is_apart)
    }

    /// The spans without empty ones, whose offsets count for the span behind them.
    pub(super) fn layout(&self) -> impl Iterator<Item = Span> + '_ {
        let mut skipped = 0_i32;
        self.spans.iter().filter_map(move |span| {
            let offset = skipped.wrapping_add(span.offset);
            skipped = if span.length == 0 { offset } else { 0 };
            (span.length > 0).then_some(Span { offset, length: span.length })
        })
    }
}

/// Walks two ascending sequences of (index, count) as one: `visit(index, left, right)`.
pub(super) fn join<L, R>(
    left: impl Iterator<Item = (i32, L)>,
    right: impl Iterator<Item = (i32, R)>,
    mut visit: impl FnMut(i32, Option<L>, Option<R>),
) {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    loop {
        let index = match (left.peek(), right.peek()) {
            (Some(l), Some(r)) => l.0.min(r.0),
            (Some(l), None) => l.0,
            (None, Some(r)) => r.0,
            (None, None) => return,
        };
        let own = left.next_if(|(at, _)| *at == index).map(|(_, count)| count);
        let other = right.next_if(|(at, _)| *at == index).map(|(_, count)| count);
        visit(index, own, other);
    }
}
