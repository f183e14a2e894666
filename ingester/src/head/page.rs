//! Pages: 256 consecutive refs each, with what memory holds of their series.
//!
//! A page keeps only the series that live: once some of them are gone, a ref finds its place by
//! counting bits. So memory follows the living series, although refs are never given twice, and a
//! page whose series are all gone costs one null pointer. Pages are also what a checkpoint writes.

use model::chunk::XorChunk;

use super::dirty::PAGE_LEN;

/// The most series of a partition; refs are never given twice.
pub(super) const REF_LIMIT: u32 = model::SeriesRef::LIMIT;

/// All series of a partition, by ref.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pages: Vec<Option<Box<Page>>>,
}

/// Up to 256 series; `series[i]` and `open[i]` are of the same one.
#[derive(Debug, Default)]
pub(crate) struct Page {
    live: [u64; 4],
    series: Vec<Series>,
    open: Vec<XorChunk>,
    /// The pairs of all series, one after the other.
    pairs: Vec<u32>,
    /// Whether some of the refs up to the last one are gone.
    sparse: bool,
    /// The epoch of the last sample, see [`super::dirty`].
    pub(super) changed: u64,
}

/// What does not change with each sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    /// The lower half of its [`model::SeriesKey`].
    pub(super) fingerprint: u64,
    /// Where its pairs end in the page.
    pairs_end: u32,
    /// The first hour that may have samples.
    pub(super) born_hour: i32,
}

// === impl Pages ===

impl Pages {
    /// The page and the place in it of a series that lives.
    #[inline]
    pub(crate) fn find(&self, series: u32) -> Option<(&Page, usize)> {
        let page = self.pages.get((series / PAGE_LEN) as usize)?.as_deref()?;
        Some((page, page.place(series % PAGE_LEN)?))
    }

    /// As [`Pages::find`], to change it.
    #[inline]
    pub(super) fn find_mut(&mut self, series: u32) -> Option<(&mut Page, usize)> {
        let page = self.pages.get_mut((series / PAGE_LEN) as usize)?.as_deref_mut()?;
        let place = page.place(series % PAGE_LEN)?;
        Some((page, place))
    }

    /// The fingerprint of a series that lives.
    pub(super) fn fingerprint(&self, series: u32) -> u64 {
        self.find(series).map_or(0, |(page, at)| page.series[at].fingerprint)
    }

    /// The pairs of a series that lives; none otherwise.
    pub(crate) fn pairs(&self, series: u32) -> &[u32] {
        self.find(series).map_or(&[], |(page, at)| page.pairs(at))
    }

    /// Adds a series without samples, whose ref is greater than all before.
    pub(super) fn push(&mut self, series: u32, fingerprint: u64, pairs: &[u32]) {
        let number = (series / PAGE_LEN) as usize;
        if number >= self.pages.len() {
            self.pages.resize_with(number + 1, Option::default);
        }
        let page = self.pages[number].get_or_insert_default();
        page.push(
            series % PAGE_LEN,
            Series { fingerprint, pairs_end: 0, born_hour: i32::MAX },
            pairs,
        );
    }

    /// Pages with their numbers, without those whose series are all gone.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Page)> {
        (0..).zip(&self.pages).filter_map(|(number, page)| Some((number, page.as_deref()?)))
    }

    /// As [`Pages::iter`], to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Page)> {
        (0..).zip(&mut self.pages).filter_map(|(number, page)| Some((number, page.as_deref_mut()?)))
    }

    /// One page, unless its series are all gone.
    pub(super) fn page(&self, number: u32) -> Option<&Page> {
        self.pages.get(number as usize)?.as_deref()
    }

    /// As [`Pages::page`], to change it.
    pub(super) fn page_mut(&mut self, number: u32) -> Option<&mut Page> {
        self.pages.get_mut(number as usize)?.as_deref_mut()
    }

    /// Takes the dead series (ascending) out and gives their memory back.
    pub(super) fn remove(&mut self, dead: &[u32]) {
        for run in dead.chunk_by(|a, b| a / PAGE_LEN == b / PAGE_LEN) {
            let Some(slot) = self.pages.get_mut((run[0] / PAGE_LEN) as usize) else { continue };
            let Some(page) = slot else { continue };
            page.remove(run);
            if page.series.is_empty() {
                *slot = None;
            }
        }
    }

    /// Bytes on the heap, buffers of open chunks included.
    pub(super) fn heap_bytes(&self) -> usize {
        let page_bytes = |page: &Page| {
            let buffers: usize = page.open.iter().map(XorChunk::buffer_bytes).sum();
            size_of::<Page>()
                + page.series.capacity() * size_of::<Series>()
                + page.open.capacity() * size_of::<XorChunk>()
                + page.pairs.capacity() * 4
                + buffers
        };
        self.iter().map(|(_, page)| page_bytes(page)).sum::<usize>() + self.pages.capacity() * 8
    }
}

// === impl Page ===

impl Series {
    /// The first hour that may have samples.
    pub(crate) const fn born_hour(&self) -> i32 {
        self.born_hour
    }
}

impl Page {
    /// The places of the page's series, with the refs' places in the page.
    pub(crate) fn refs(&self, number: u32) -> impl Iterator<Item = (u32, usize)> {
        let live = |slot: &u32| self.live[(slot / 64) as usize] >> (slot % 64) & 1 == 1;
        (0..PAGE_LEN).filter(live).zip(0..).map(move |(slot, at)| (number * PAGE_LEN + slot, at))
    }

    /// The open chunk of a place.
    #[inline]
    pub(crate) fn open(&self, at: usize) -> &XorChunk {
        &self.open[at]
    }

    /// As [`Page::open`], to change it.
    #[inline]
    pub(super) fn open_mut(&mut self, at: usize) -> &mut XorChunk {
        &mut self.open[at]
    }

    /// Pairs of the series of a place.
    pub(crate) fn pairs(&self, at: usize) -> &[u32] {
        let start = at.checked_sub(1).map_or(0, |before| self.series[before].pairs_end);
        &self.pairs[start as usize..self.series[at].pairs_end as usize]
    }

    /// The rest of the series of a place.
    pub(crate) fn series(&self, at: usize) -> &Series {
        &self.series[at]
    }

    /// Samples before `hour` may exist from now on.
    pub(super) fn born_by(&mut self, at: usize, hour: i32) {
        let born = &mut self.series[at].born_hour;
        *born = hour.min(*born);
    }

    #[inline]
    fn place(&self, slot: u32) -> Option<usize> {
        if !self.sparse {
            return ((slot as usize) < self.open.len()).then_some(slot as usize);
        }
        let (word, bit) = ((slot / 64) as usize, slot % 64);
        if self.live[word] >> bit & 1 == 0 {
            return None;
        }
        let before: u32 = self.live[..word].iter().map(|word| word.count_ones()).sum();
        let same = self.live[word] & ((1 << bit) - 1);
        Some((before + same.count_ones()) as usize)
    }

    fn push(&mut self, slot: u32, series: Series, pairs: &[u32]) {
        if self.series.is_empty() {
            self.series.reserve_exact(PAGE_LEN as usize);
            self.open.reserve_exact(PAGE_LEN as usize);
        }
        self.sparse |= slot as usize != self.series.len();
        self.live[(slot / 64) as usize] |= 1 << (slot % 64);
        self.pairs.extend_from_slice(pairs);
        let pairs_end = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        self.series.push(Series { pairs_end, ..series });
        self.open.push(XorChunk::default());
        if slot == PAGE_LEN - 1 {
            self.shrink();
        }
    }

    fn remove(&mut self, dead: &[u32]) {
        let old = std::mem::take(self);
        self.changed = old.changed;
        let mut places = (0..old.open.len()).zip(old.open.iter().cloned());
        for slot in 0..PAGE_LEN {
            if old.live[(slot / 64) as usize] >> (slot % 64) & 1 == 0 {
                continue;
            }
            let Some((at, open)) = places.next() else { break };
            if dead.iter().all(|series| series % PAGE_LEN != slot) {
                self.push(slot, old.series[at], old.pairs(at));
                if let Some(last) = self.open.last_mut() {
                    *last = open;
                }
            }
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        self.series.shrink_to_fit();
        self.open.shrink_to_fit();
        self.pairs.shrink_to_fit();
    }
}
