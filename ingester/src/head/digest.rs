//! A hash of a head's logical state, to compare replicas and replays.
//!
//! It covers what commands decide: series with their refs and labels, open chunks, late samples,
//! metadata, counters. It leaves out what a process decides for itself: the numbers of symbols and
//! pairs, and whether a sealed chunk has reached the store yet.

use xxhash_rust::xxh3::Xxh3Default;

use super::state::State;

impl State {
    /// Equal for equal logical states.
    pub(super) fn digest(&self) -> u64 {
        let mut hash = Xxh3Default::new();
        let counters = &self.counters;
        for number in [
            counters.applied,
            u64::from(counters.next_ref),
            u64::from(counters.series),
            counters.newest_ms.cast_unsigned(),
            counters.dropped_before_ms.cast_unsigned(),
            counters.samples,
        ] {
            hash.update(&number.to_le_bytes());
        }
        for (hour, window) in self.sealed.windows() {
            hash.update(&hour.to_le_bytes());
            hash.update(&window.bytes.to_le_bytes());
            hash.update(&window.late_chunks.to_le_bytes());
        }
        for (number, page) in self.pages.iter() {
            for (series, at) in page.refs(number) {
                let open = page.open(at);
                hash.update(&series.to_le_bytes());
                hash.update(&page.series(at).born_hour.to_le_bytes());
                hash.update(&open.last_ms().to_le_bytes());
                hash.update(&open.last_bits().to_le_bytes());
                hash.update(&(open.samples() as u64).to_le_bytes());
                let (whole, rest) = open.body();
                hash.update(whole);
                hash.update(&rest);
                for (name, value) in self.index.texts(page.pairs(at)) {
                    put_text(&mut hash, name);
                    put_text(&mut hash, value);
                }
                for (t, bits) in self.late.of(series) {
                    hash.update(&t.to_le_bytes());
                    hash.update(&bits.to_le_bytes());
                }
            }
        }
        for ((tenant, name), family) in self.metadata.families() {
            hash.update(&tenant.0.to_le_bytes());
            for text in [&**name, &family.help, &family.unit] {
                hash.update(&(text.len() as u64).to_le_bytes());
                hash.update(text.as_bytes());
            }
            hash.update(&[family.kind]);
        }
        hash.digest()
    }
}

fn put_text(hash: &mut Xxh3Default, text: &str) {
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}
