//! New series: from the labels of a frame to refs.

use cluster::FrameView;
use model::labels::LabelsIter;
use model::{SeriesKey, SeriesRef, TenantId};

use super::index::{PairId, TenantNumber};
use super::page::REF_LIMIT;
use super::state::State;

/// What stands for a series whose labels cannot be read; no ref is as large.
pub(super) const NO_SERIES: SeriesRef = SeriesRef(REF_LIMIT);

/// The pairs of the series before: neighbours in a frame share most of their labels, which then
/// need no lookup.
#[derive(Debug, Default)]
struct Neighbour<'a> {
    labels: Vec<(&'a str, &'a str, PairId)>,
}

impl State {
    /// Refs of a frame's new series, in its order. A series that exists already, because a sender
    /// tried again or two senders met, keeps its ref.
    pub(super) fn resolve(
        &mut self,
        tenant: &TenantId,
        tenant_number: TenantNumber,
        frame: &FrameView<'_>,
    ) -> Vec<SeriesRef> {
        let mut neighbour = Neighbour::default();
        let mut pairs = Vec::new();
        let mut refs = Vec::with_capacity(frame.new_series());
        for encoded in frame.series() {
            let Ok(labels) = LabelsIter::checked(encoded) else {
                refs.push(NO_SERIES);
                continue;
            };
            let SeriesKey(key) = SeriesKey::of_encoded(tenant, encoded);
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is wanted")]
            let fingerprint = key as u64;
            let known = self.find(tenant_number, fingerprint, &labels);
            refs.push(known.unwrap_or_else(|| {
                pairs.clear();
                self.pairs_of(tenant_number, labels, &mut neighbour, &mut pairs);
                self.create(fingerprint, &pairs)
            }));
        }
        refs
    }

    /// The series with these labels. Fingerprints only lead to it: labels are compared in full.
    fn find(
        &self,
        tenant: TenantNumber,
        fingerprint: u64,
        labels: &LabelsIter<'_>,
    ) -> Option<SeriesRef> {
        let is_same = |series: &u32| {
            let Some((page, at)) = self.pages.find(*series) else { return false };
            page.series(at).fingerprint == fingerprint
                && self.index.tenant_of(page.pairs(at)) == Some(tenant)
                && self.index.texts(page.pairs(at)).eq(labels.clone())
        };
        self.by_fingerprint.find(fingerprint, is_same).map(|series| SeriesRef(*series))
    }

    fn pairs_of<'a>(
        &mut self,
        tenant: TenantNumber,
        labels: LabelsIter<'a>,
        neighbour: &mut Neighbour<'a>,
        pairs: &mut Vec<u32>,
    ) {
        pairs.push(self.index.pair(tenant, "", "").0);
        for (i, (name, value)) in labels.enumerate() {
            let known = match neighbour.labels.get(i) {
                Some((same_name, same_value, id)) if name == *same_name && value == *same_value => {
                    *id
                }
                _ => self.index.pair(tenant, name, value),
            };
            pairs.push(known.0);
            match neighbour.labels.get_mut(i) {
                Some(before) => *before = (name, value, known),
                None => neighbour.labels.push((name, value, known)),
            }
        }
    }

    fn create(&mut self, fingerprint: u64, pairs: &[u32]) -> SeriesRef {
        let series = self.counters.next_ref;
        if series >= REF_LIMIT {
            tracing::error!("all refs of the partition are used up; no new series can be stored");
            return NO_SERIES;
        }
        self.counters.next_ref += 1;
        self.counters.series += 1;
        self.pages.push(series, fingerprint, pairs);
        self.series_dirty.mark(series);
        self.index.add(series, pairs);
        self.enter(fingerprint, series);
        SeriesRef(series)
    }

    /// Makes a series findable by its labels.
    pub(super) fn enter(&mut self, fingerprint: u64, series: u32) {
        let pages = &self.pages;
        self.by_fingerprint.insert_unique(fingerprint, series, |other| pages.fingerprint(*other));
    }

    /// Makes room for `series` entries at once.
    pub(super) fn reserve(&mut self, series: usize) {
        let pages = &self.pages;
        self.by_fingerprint.reserve(series, |other| pages.fingerprint(*other));
    }

    /// Makes a series' labels unknown again.
    pub(super) fn leave(&mut self, fingerprint: u64, series: u32) {
        if let Ok(found) = self.by_fingerprint.find_entry(fingerprint, |other| *other == series) {
            found.remove();
        }
    }
}
