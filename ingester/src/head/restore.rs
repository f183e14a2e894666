//! Restore: from the records of a checkpoint back to a head.
//!
//! No label is hashed as text but each distinct string once: series are stored with their
//! fingerprints and by the numbers of their pairs. Sealed chunks stay where they are.

use std::ops::ControlFlow;

use model::chunk::{XorChunk, XorState};
use model::{PartitionId, TenantId};

use super::checkpoint::{PAIRS, STRINGS, state_key};
use super::index::{PairId, PairRecord, TenantNumber};
use super::metadata::Family;
use super::ooo::LateSample;
use super::record::{RecordError, RecordReader};
use super::sealed::{Window, window_hour};
use super::state::{Counters, State, StoreView};
use super::symbols::Symbol;
use crate::storage::keys::applied_key;
use crate::storage::{Column, StorageError};

/// Why a head cannot be read from the state store.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum HeadError {
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A record is not what a checkpoint wrote.
    #[error(
        "partition {} cannot be restored: {what}: {reason}; `varve recover` shows what is damaged",
        partition.0
    )]
    Damaged {
        /// Whose state.
        partition: PartitionId,
        /// Which record.
        what: &'static str,
        /// What is wrong with it.
        reason: RecordError,
    },
}

/// Contradicts a record that was read before.
const CONTRADICTION: RecordError = RecordError::Malformed("it contradicts another record");

/// There are fewer records than others speak of.
const MISSING: RecordError = RecordError::Malformed("some of its records are missing");

type Read = Result<(), RecordError>;

impl State {
    /// The state that the newest checkpoint wrote; an empty one when there is none.
    pub(super) fn restore(
        partition: PartitionId,
        store: &StoreView<'_>,
    ) -> Result<Self, HeadError> {
        let mut state = Self::default();
        let Some(counters) = store.store.get(Column::Meta, &state_key(store.stid))? else {
            // Every checkpoint writes both, in one batch.
            return match store.store.get(Column::Meta, &applied_key(store.stid))? {
                Some(_) => Err(HeadError::Damaged { partition, what: "counters", reason: MISSING }),
                None => Ok(state),
            };
        };
        state.read_counters(&counters).map_err(|reason| HeadError::Damaged {
            partition,
            what: "counters",
            reason,
        })?;
        type Part = (&'static str, Column, fn(&mut State, &[u8], &[u8]) -> Read);
        let parts: [Part; 4] = [
            ("symbols", Column::Symbols, Self::read_symbols),
            ("series", Column::Series, Self::read_series),
            ("open chunks", Column::Pages, Self::read_page),
            ("metadata", Column::Metadata, Self::read_family),
        ];
        let mut records = [0; 4];
        for ((what, column, read), records) in parts.into_iter().zip(&mut records) {
            store
                .read_all(column, |key, value| {
                    *records += 1;
                    read(&mut state, key, value)
                })?
                .map_err(|reason| HeadError::Damaged { partition, what, reason })?;
        }
        state.is_complete(records[2]).map_err(|what| HeadError::Damaged {
            partition,
            what,
            reason: MISSING,
        })?;
        state.index.symbols.restored();
        state.progress.checkpointed_hour = window_hour(state.counters.dropped_before_ms);
        Ok(state)
    }

    /// Whether every series has come, and each page of them with its open chunks.
    fn is_complete(&self, pages_read: usize) -> Result<(), &'static str> {
        let series: usize = self.pages.iter().map(|(number, page)| page.refs(number).count()).sum();
        if series != self.counters.series as usize {
            return Err("series");
        }
        if pages_read != self.pages.iter().count() {
            return Err("open chunks");
        }
        Ok(())
    }

    fn read_counters(&mut self, record: &[u8]) -> Read {
        let mut record = RecordReader::open(record)?;
        self.counters = Counters {
            applied: record.u64()?,
            next_ref: record.u32()?,
            series: record.u32()?,
            newest_ms: record.i64()?,
            dropped_before_ms: record.i64()?,
            samples: record.u64()?,
        };
        for _ in 0..record.uvarint()? {
            let tenant = TenantId::new(record.text()?)
                .map_err(|_| RecordError::Malformed("not a tenant id"))?;
            self.index.tenant(&tenant);
        }
        for _ in 0..record.uvarint()? {
            let hour = hour(record.varint()?)?;
            let (bytes, late_chunks) = (record.uvarint()?, record.uvarint()?);
            self.sealed.restore_window(hour, Window { bytes, late_chunks });
        }
        self.reserve(self.counters.series as usize);
        Ok(())
    }

    fn read_symbols(&mut self, key: &[u8], record: &[u8]) -> Read {
        let kind = key.get(8).copied();
        let mut record = RecordReader::open(record)?;
        while !record.is_empty() {
            let id = record.id()?;
            let read = match kind {
                Some(STRINGS) => self.index.symbols.restore(id, record.text()?),
                Some(PAIRS) => self.index.restore(PairRecord {
                    id: PairId(id),
                    tenant: TenantNumber(record.id()?),
                    name: Symbol(record.id()?),
                    value: Symbol(record.id()?),
                }),
                _ => None,
            };
            read.ok_or(CONTRADICTION)?;
        }
        Ok(())
    }

    fn read_series(&mut self, _key: &[u8], record: &[u8]) -> Read {
        let mut record = RecordReader::open(record)?;
        let mut pairs = Vec::new();
        while !record.is_empty() {
            let series = record.id()?;
            let fingerprint = record.u64()?;
            pairs.clear();
            for _ in 0..record.uvarint()? {
                pairs.push(record.id()?);
            }
            if series >= self.counters.next_ref || !self.index.knows(&pairs) {
                return Err(CONTRADICTION);
            }
            self.pages.push(series, fingerprint, &pairs);
            self.index.add(series, &pairs);
            self.enter(fingerprint, series);
        }
        Ok(())
    }

    fn read_page(&mut self, key: &[u8], record: &[u8]) -> Read {
        let number = key.get(8..).and_then(|number| number.try_into().ok()).map(u32::from_be_bytes);
        let number = number.ok_or(RecordError::Malformed("its key is cut"))?;
        let mut record = RecordReader::open(record)?;
        let refs: Vec<(u32, usize)> = match self.pages.page(number) {
            Some(page) => page.refs(number).collect(),
            None => return Err(CONTRADICTION),
        };
        let mut last_ms = 0_i64;
        for (series, at) in refs {
            last_ms = last_ms.wrapping_add(record.varint()?);
            let state = XorState {
                last_ms,
                last_bits: record.u64()?,
                delta_ms: record.uvarint()?,
                body_bits: record.u16()?,
                samples: u16::from(record.u8()?),
                leading: record.u8()?,
                trailing: record.u8()?,
            };
            let born_hour = hour(record.varint()?)?;
            let body = record.raw(usize::from(state.body_bits).div_ceil(8))?;
            let open = XorChunk::resume(state, body).ok_or(CONTRADICTION)?;
            let late = read_late(&mut record)?;
            if !late.is_empty() {
                self.late.restore(series, late);
            }
            let page = self.pages.page_mut(number).ok_or(CONTRADICTION)?;
            *page.open_mut(at) = open;
            page.born_by(at, born_hour);
        }
        if record.is_empty() { Ok(()) } else { Err(CONTRADICTION) }
    }

    fn read_family(&mut self, key: &[u8], record: &[u8]) -> Read {
        let malformed = RecordError::Malformed("its key is cut");
        let (tenant, name) = key.get(8..).and_then(<[u8]>::split_first_chunk).ok_or(malformed)?;
        let name = std::str::from_utf8(name).map_err(|_| malformed)?;
        let mut record = RecordReader::open(record)?;
        let (kind, seen_ms) = (record.u8()?, record.i64()?);
        let (help, unit) = (record.text()?.into(), record.text()?.into());
        let key = (TenantNumber(u32::from_be_bytes(*tenant)), name.into());
        self.metadata.restore(key, Family { kind, help, unit, seen_ms });
        Ok(())
    }
}

fn read_late(record: &mut RecordReader<'_>) -> Result<Vec<LateSample>, RecordError> {
    let late = record.uvarint()?;
    (0..late).map(|_| Ok((record.i64()?, record.u64()?))).collect()
}

fn hour(value: i64) -> Result<i32, RecordError> {
    i32::try_from(value).map_err(|_| RecordError::Malformed("an hour is out of range"))
}

impl StoreView<'_> {
    /// Reads every record of the replica in one column.
    fn read_all(
        &self,
        column: Column,
        mut read: impl FnMut(&[u8], &[u8]) -> Read,
    ) -> Result<Read, StorageError> {
        let mut outcome = Ok(());
        let (from, to) = (self.stid.to_be_bytes(), (self.stid + 1).to_be_bytes());
        self.store.scan(column, &from, &to, &mut |key, value| {
            outcome = read(key, value);
            if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(outcome)
    }
}
