//! The index: label pairs of every tenant, the refs that have each, and the way back.
//!
//! A pair `(tenant, name, value)` has a number. A series is the ascending-by-name list of its
//! pairs' numbers (4 bytes a label), and a pair is a postings list, so the same numbers lead
//! from labels to series and from series to labels, and a restart rebuilds every list without
//! hashing a string. Each series also has its tenant's *root*, the pair of empty texts, which
//! lists all series of the tenant and tells whose a series is.
//!
//! ```text
//!  tenant ─┐
//!  name  ──┴► Name { pairs } ──► Pair { name, value, postings } ──► refs
//!  series ──► [root, pair, pair, …] ──► (name, value) texts
//! ```

use hashbrown::HashTable;
use model::{Labels, TenantId};

use super::dirty::Dirty;
use super::postings::Postings;
use super::symbols::{Symbol, Symbols};

/// The number of a tenant inside its partition; tenants are few and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TenantNumber(pub(crate) u32);

/// The number of a label pair inside its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PairId(pub(crate) u32);

/// The number of a label name of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameId(u32);

/// Everything that is known about label pairs.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(super) symbols: Symbols,
    tenants: Vec<TenantId>,
    names: Vec<Name>,
    by_name: HashTable<u32>,
    free_names: Vec<u32>,
    pairs: Vec<Pair>,
    by_pair: HashTable<u32>,
    free_pairs: Vec<u32>,
    pub(super) dirty: Dirty,
}

/// A label name of one tenant; unused ids have no pairs.
#[derive(Debug)]
struct Name {
    tenant: TenantNumber,
    symbol: Symbol,
    pairs: Vec<PairId>,
}

/// A label pair; unused ids have no postings.
#[derive(Debug)]
struct Pair {
    name: NameId,
    value: Symbol,
    postings: Postings,
}

/// What a checkpoint keeps of a pair.
#[derive(Debug, Clone, Copy)]
pub(super) struct PairRecord {
    pub(super) id: PairId,
    pub(super) tenant: TenantNumber,
    pub(super) name: Symbol,
    pub(super) value: Symbol,
}

// === impl Index: reading ===

impl Index {
    /// The number of a tenant that has written here.
    pub(crate) fn find_tenant(&self, tenant: &str) -> Option<TenantNumber> {
        let at = self.tenants.iter().position(|known| known.as_str() == tenant)?;
        u32::try_from(at).ok().map(TenantNumber)
    }

    /// Tenants in the order of their numbers.
    pub(crate) fn tenants(&self) -> &[TenantId] {
        &self.tenants
    }

    /// A tenant's label name, if any of its series has it.
    pub(crate) fn find_name(&self, tenant: TenantNumber, name: &str) -> Option<NameId> {
        self.name_of(tenant, self.symbols.find(name)?)
    }

    /// A tenant's label pair, if any of its series has it.
    pub(crate) fn find_pair(&self, name: NameId, value: &str) -> Option<PairId> {
        self.pair_of(name, self.symbols.find(value)?)
    }

    /// The pair that every series of the tenant has.
    pub(crate) fn root(&self, tenant: TenantNumber) -> Option<PairId> {
        self.find_pair(self.find_name(tenant, "")?, "")
    }

    /// The pairs of one name, in no particular order.
    pub(crate) fn pairs_of(&self, name: NameId) -> &[PairId] {
        &self.names[name.0 as usize].pairs
    }

    /// Label names of a tenant, in no particular order.
    pub(crate) fn names(&self, tenant: TenantNumber) -> impl Iterator<Item = NameId> {
        let used = move |name: &Name| name.tenant == tenant && !name.pairs.is_empty();
        (0..)
            .zip(&self.names)
            .filter(move |(_, name)| used(name) && !self.symbols.text(name.symbol).is_empty())
            .map(|(id, _)| NameId(id))
    }

    /// The text of a name.
    pub(crate) fn name_text(&self, name: NameId) -> &str {
        self.symbols.text(self.names[name.0 as usize].symbol)
    }

    /// The name of a pair.
    pub(crate) fn name(&self, pair: PairId) -> NameId {
        self.pairs[pair.0 as usize].name
    }

    /// The value of a pair.
    pub(crate) fn value(&self, pair: PairId) -> &str {
        self.symbols.text(self.pairs[pair.0 as usize].value)
    }

    /// The series that have a pair.
    pub(crate) fn postings(&self, pair: PairId) -> &Postings {
        &self.pairs[pair.0 as usize].postings
    }

    /// The tenant of a series with these pairs; `None` for none.
    pub(crate) fn tenant_of(&self, pairs: &[u32]) -> Option<TenantNumber> {
        let root = self.pairs.get(*pairs.first()? as usize)?;
        Some(self.names[root.name.0 as usize].tenant)
    }

    /// Name and value of each pair of a series, without the root; ascending by name.
    pub(crate) fn texts<'a>(
        &'a self,
        pairs: &'a [u32],
    ) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        pairs.iter().skip(1).map(|pair| {
            let pair = PairId(*pair);
            (self.name_text(self.name(pair)), self.value(pair))
        })
    }

    /// The labels of a series; `buffer` is recycled.
    pub(crate) fn labels(&self, pairs: &[u32], buffer: &mut Vec<u8>) -> Labels {
        Labels::from_sorted(self.texts(pairs), buffer)
    }

    /// The number of pairs.
    pub(crate) fn pair_count(&self) -> usize {
        self.by_pair.len()
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists: usize = self.pairs.iter().map(|pair| pair.postings.heap_bytes()).sum();
        let names: usize = self.names.iter().map(|name| name.pairs.capacity() * 4).sum();
        lists
            + names
            + self.symbols.heap_bytes()
            + self.pairs.capacity() * size_of::<Pair>()
            + self.names.capacity() * size_of::<Name>()
            + self.by_pair.allocation_size()
            + self.by_name.allocation_size()
    }

    fn name_of(&self, tenant: TenantNumber, symbol: Symbol) -> Option<NameId> {
        let same = |id: &u32| {
            let name = &self.names[*id as usize];
            name.tenant == tenant && name.symbol == symbol
        };
        self.by_name.find(mix(tenant.0, symbol.0), same).map(|id| NameId(*id))
    }

    fn pair_of(&self, name: NameId, value: Symbol) -> Option<PairId> {
        let same = |id: &u32| {
            let pair = &self.pairs[*id as usize];
            pair.name == name && pair.value == value
        };
        self.by_pair.find(mix(name.0, value.0), same).map(|id| PairId(*id))
    }
}

// === impl Index: writing ===

impl Index {
    /// The number of a tenant, new or not.
    pub(super) fn tenant(&mut self, tenant: &TenantId) -> TenantNumber {
        self.find_tenant(tenant.as_str()).unwrap_or_else(|| {
            self.tenants.push(tenant.clone());
            TenantNumber(u32::try_from(self.tenants.len() - 1).unwrap_or(u32::MAX))
        })
    }

    /// The number of a pair, new or not. A new one lives from its first [`Index::add`].
    pub(super) fn pair(&mut self, tenant: TenantNumber, name: &str, value: &str) -> PairId {
        let (name, value) = (self.symbols.intern(name), self.symbols.intern(value));
        let name_id = self.name_of(tenant, name).unwrap_or_else(|| self.add_name(tenant, name));
        self.pair_of(name_id, value).unwrap_or_else(|| {
            let id = self.free_pairs.pop().map_or_else(|| next_id(self.pairs.len()), PairId);
            self.set_pair(id, name_id, value);
            self.dirty.mark(id.0);
            id
        })
    }

    /// Adds a series to the postings of its pairs; refs ascend.
    pub(super) fn add(&mut self, series: u32, pairs: &[u32]) {
        for pair in pairs {
            self.pairs[*pair as usize].postings.push(series);
        }
    }

    /// Takes dead series out of the postings of `pairs` (sorted, each once), and forgets the pairs,
    /// names and strings that nothing uses any more.
    pub(super) fn remove(&mut self, pairs: &[u32], is_dead: impl Fn(u32) -> bool) {
        let mut emptied = Vec::new();
        for id in pairs {
            let pair = &mut self.pairs[*id as usize];
            pair.postings.retain(|series| !is_dead(series));
            if pair.postings.is_empty() {
                emptied.push(*id);
            }
        }
        emptied.iter().for_each(|id| self.forget_pair(PairId(*id)));
        let mut names: Vec<u32> =
            emptied.iter().map(|id| self.pairs[*id as usize].name.0).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().for_each(|name| self.sweep_name(NameId(name)));
    }

    fn add_name(&mut self, tenant: TenantNumber, symbol: Symbol) -> NameId {
        self.symbols.retain(symbol);
        let name = Name { tenant, symbol, pairs: Vec::new() };
        let id = match self.free_names.pop() {
            Some(id) => {
                self.names[id as usize] = name;
                id
            }
            None => {
                self.names.push(name);
                next_id(self.names.len() - 1).0
            }
        };
        let Self { by_name, names, .. } = self;
        by_name.insert_unique(mix(tenant.0, symbol.0), id, |id| {
            let name = &names[*id as usize];
            mix(name.tenant.0, name.symbol.0)
        });
        NameId(id)
    }

    fn set_pair(&mut self, id: PairId, name: NameId, value: Symbol) {
        self.symbols.retain(value);
        self.names[name.0 as usize].pairs.push(id);
        let pair = Pair { name, value, postings: Postings::default() };
        let Self { pairs, by_pair, .. } = self;
        match pairs.get_mut(id.0 as usize) {
            Some(unused) => *unused = pair,
            None => pairs.push(pair),
        }
        by_pair.insert_unique(mix(name.0, value.0), id.0, |id| {
            let pair = &pairs[*id as usize];
            mix(pair.name.0, pair.value.0)
        });
    }

    fn forget_pair(&mut self, id: PairId) {
        let Pair { name, value, .. } = self.pairs[id.0 as usize];
        if let Ok(found) = self.by_pair.find_entry(mix(name.0, value.0), |other| *other == id.0) {
            found.remove();
        }
        self.symbols.release(value);
        self.free_pairs.push(id.0);
        self.dirty.mark(id.0);
    }

    /// Drops a name's forgotten pairs, and the name with its last one.
    fn sweep_name(&mut self, id: NameId) {
        let Self { names, pairs, .. } = self;
        let name = &mut names[id.0 as usize];
        name.pairs.retain(|pair| !pairs[pair.0 as usize].postings.is_empty());
        if name.pairs.capacity() > 2 * name.pairs.len() {
            name.pairs.shrink_to_fit();
        }
        if name.pairs.is_empty() {
            let hash = mix(name.tenant.0, name.symbol.0);
            self.symbols.release(self.names[id.0 as usize].symbol);
            if let Ok(found) = self.by_name.find_entry(hash, |other| *other == id.0) {
                found.remove();
            }
            self.free_names.push(id.0);
        }
    }
}

// === impl Index: checkpoint and restore ===

impl Index {
    /// The used pairs of one page, ascending.
    pub(super) fn page(&self, page: u32) -> impl Iterator<Item = PairRecord> {
        Dirty::ids(page, self.pairs.len()).filter_map(|id| {
            let pair = &self.pairs[id as usize];
            let name = &self.names[pair.name.0 as usize];
            let (tenant, value) = (name.tenant, pair.value);
            let record = PairRecord { id: PairId(id), tenant, name: name.symbol, value };
            (!pair.postings.is_empty()).then_some(record)
        })
    }

    /// Takes a pair from a checkpoint; ids come ascending. `None` when it contradicts the rest.
    pub(super) fn restore(&mut self, record: PairRecord) -> Option<()> {
        let PairRecord { id, tenant, name, value } = record;
        let known = self.symbols.contains(name) && self.symbols.contains(value);
        let next = self.pairs.len();
        if !known || tenant.0 as usize >= self.tenants.len() || (id.0 as usize) < next {
            return None;
        }
        let name = self.name_of(tenant, name).unwrap_or_else(|| self.add_name(tenant, name));
        for unused in next..id.0 as usize {
            // Its name is never asked for: an unused pair is in no list.
            self.pairs.push(Pair { name, value, postings: Postings::default() });
            self.free_pairs.push(next_id(unused).0);
        }
        self.set_pair(id, name, value);
        Some(())
    }

    /// Whether each of a stored series' pairs is known.
    pub(super) fn knows(&self, pairs: &[u32]) -> bool {
        pairs.iter().all(|pair| (*pair as usize) < self.pairs.len()) && !pairs.is_empty()
    }
}

fn next_id(len: usize) -> PairId {
    PairId(u32::try_from(len).unwrap_or(u32::MAX))
}

/// A hash of two small numbers: one widening multiplication, its halves folded.
fn mix(a: u32, b: u32) -> u64 {
    let key = u64::from(a) << 32 | u64::from(b);
    let wide = u128::from(key ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let [low, high] = [wide as u64, (wide >> 64) as u64];
    low ^ high
}
