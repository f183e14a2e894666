//! Checkpoints: every page that changed since the last one, overwritten in place.
//!
//! ```text
//!  meta      stid │ 10             counters, tenants, windows with their bytes
//!  symbols   stid │ 01 │ page u32  256 strings           stid │ 02 │ page u32  256 label pairs
//!  series    stid │ page u32       who lives, fingerprints, pairs: 256 series
//!  pages     stid │ page u32       open chunks and late samples of the same series
//!  metadata  stid │ tenant u32 │ family
//! ```
//!
//! The records are described byte by byte in `docs/formats/head.md`.

use super::page::Page;
use super::record::RecordWriter;
use super::state::State;
use crate::storage::{Column, StateBatch};

/// The machine's key in the column `meta`.
pub(super) const STATE_TAG: u8 = 0x10;
/// Kinds of records in the column `symbols`.
pub(super) const STRINGS: u8 = 1;
pub(super) const PAIRS: u8 = 2;

/// The key of a numbered page.
pub(super) fn page_key(stid: u64, page: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&stid.to_be_bytes());
    key[8..].copy_from_slice(&page.to_be_bytes());
    key
}

/// The key of a numbered page of one kind.
pub(super) fn kind_key(stid: u64, kind: u8, page: u32) -> [u8; 13] {
    let mut key = [kind; 13];
    key[..8].copy_from_slice(&stid.to_be_bytes());
    key[9..].copy_from_slice(&page.to_be_bytes());
    key
}

/// The key of the counters.
pub(super) fn state_key(stid: u64) -> [u8; 9] {
    let mut key = [STATE_TAG; 9];
    key[..8].copy_from_slice(&stid.to_be_bytes());
    key
}

/// The key of a tenant's family.
pub(super) fn family_key(stid: u64, tenant: u32, family: &str) -> Vec<u8> {
    [&stid.to_be_bytes()[..], &tenant.to_be_bytes(), family.as_bytes()].concat()
}

impl State {
    /// Puts every record that changed after what is on disk.
    pub(super) fn put_changes(&self, stid: u64, batch: &mut StateBatch) {
        let mut record = RecordWriter::default();
        self.put_state(stid, batch, &mut record);
        self.put_symbols(stid, batch, &mut record);
        self.put_series(stid, batch, &mut record);
        self.put_pages(stid, batch, &mut record);
        self.put_metadata(stid, batch, &mut record);
    }

    fn put_state(&self, stid: u64, batch: &mut StateBatch, record: &mut RecordWriter) {
        let counters = &self.counters;
        record
            .start()
            .u64(counters.applied)
            .u32(counters.next_ref)
            .u32(counters.series)
            .i64(counters.newest_ms)
            .i64(counters.dropped_before_ms)
            .u64(counters.samples);
        record.uvarint(self.index.tenants().len() as u64);
        for tenant in self.index.tenants() {
            record.bytes(tenant.as_str().as_bytes());
        }
        record.uvarint(self.sealed.windows().len() as u64);
        for (hour, window) in self.sealed.windows() {
            record.varint(i64::from(*hour)).uvarint(window.bytes).uvarint(window.late_chunks);
        }
        batch.put(Column::Meta, &state_key(stid), record.finish());
    }

    fn put_symbols(&self, stid: u64, batch: &mut StateBatch, record: &mut RecordWriter) {
        let durable = self.progress.durable;
        for page in self.index.symbols.dirty.since(durable) {
            record.start();
            for (id, text) in self.index.symbols.page(page) {
                record.uvarint(u64::from(id)).bytes(text.as_bytes());
            }
            batch.put(Column::Symbols, &kind_key(stid, STRINGS, page), record.finish());
        }
        for page in self.index.dirty.since(durable) {
            record.start();
            for pair in self.index.page(page) {
                record.uvarint(u64::from(pair.id.0)).uvarint(u64::from(pair.tenant.0));
                record.uvarint(u64::from(pair.name.0)).uvarint(u64::from(pair.value.0));
            }
            batch.put(Column::Symbols, &kind_key(stid, PAIRS, page), record.finish());
        }
    }

    fn put_series(&self, stid: u64, batch: &mut StateBatch, record: &mut RecordWriter) {
        for number in self.series_dirty.since(self.progress.durable) {
            let key = page_key(stid, number);
            let Some(page) = self.pages.page(number) else {
                batch.delete(Column::Series, &key);
                batch.delete(Column::Pages, &key);
                continue;
            };
            record.start();
            for (series, at) in page.refs(number) {
                let pairs = page.pairs(at);
                record.uvarint(u64::from(series)).u64(page.series(at).fingerprint);
                record.uvarint(pairs.len() as u64);
                for pair in pairs {
                    record.uvarint(u64::from(*pair));
                }
            }
            batch.put(Column::Series, &key, record.finish());
            self.put_page(stid, number, page, batch, record);
        }
    }

    fn put_pages(&self, stid: u64, batch: &mut StateBatch, record: &mut RecordWriter) {
        for (number, page) in self.pages.iter() {
            if page.changed > self.progress.durable {
                self.put_page(stid, number, page, batch, record);
            }
        }
    }

    fn put_page(
        &self,
        stid: u64,
        number: u32,
        page: &Page,
        batch: &mut StateBatch,
        record: &mut RecordWriter,
    ) {
        record.start();
        let mut before_ms = 0_i64;
        for (series, at) in page.refs(number) {
            let open = page.open(at);
            let (state, (whole, rest)) = (open.state(), open.body());
            record
                .varint(state.last_ms.wrapping_sub(before_ms))
                .u64(state.last_bits)
                .uvarint(state.delta_ms)
                .u16(state.body_bits)
                .u8(u8::try_from(state.samples).unwrap_or(u8::MAX))
                .u8(state.leading)
                .u8(state.trailing)
                .varint(i64::from(page.series(at).born_hour))
                .raw(whole)
                .raw(&rest);
            before_ms = state.last_ms;
            let late = self.late.of(series);
            record.uvarint(late.len() as u64);
            for (t, bits) in late {
                record.i64(*t).u64(*bits);
            }
        }
        batch.put(Column::Pages, &page_key(stid, number), record.finish());
    }

    fn put_metadata(&self, stid: u64, batch: &mut StateBatch, record: &mut RecordWriter) {
        for ((tenant, name), family) in self.metadata.since(self.progress.durable) {
            let key = family_key(stid, tenant.0, name);
            let Some(family) = family else {
                batch.delete(Column::Metadata, &key);
                continue;
            };
            record.start().u8(family.kind).i64(family.seen_ms);
            record.bytes(family.help.as_bytes()).bytes(family.unit.as_bytes());
            batch.put(Column::Metadata, &key, record.finish());
        }
    }
}
