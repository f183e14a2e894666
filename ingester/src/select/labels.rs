//! Questions about labels and metadata, over all heads of a node.

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster::client::{FamilyMetadata, SeriesRequest};
use model::{Labels, TenantId, TimeRange};

use super::matching;
use super::scan::in_range;
use crate::head::{Head, PairId, State, TenantNumber, merge_metadata};

/// Series whose labels are read under one lock.
const SERIES_UNDER_LOCK: usize = 4096;

/// Labels of the series that a request asks for: sorted, each once.
pub(crate) fn series(heads: &[Arc<Head>], request: &SeriesRequest) -> Vec<Labels> {
    let mut found = Vec::new();
    let mut buffer = Vec::new();
    for head in heads {
        let refs = selected(&head.read(), request);
        for part in refs.chunks(SERIES_UNDER_LOCK) {
            let state = head.read();
            let lists = part.iter().map(|series| state.pages.pairs(*series));
            let live = lists.filter(|pairs| !pairs.is_empty());
            found.extend(live.map(|pairs| state.index.labels(pairs, &mut buffer)));
        }
    }
    found.sort_unstable();
    found.dedup();
    truncate(&mut found, request.limit);
    found
}

/// Label names of the series that a request asks for.
pub(crate) fn label_names(heads: &[Arc<Head>], request: &SeriesRequest) -> Vec<String> {
    gather(heads, request, |state, tenant, names| {
        if request.matcher_sets.is_empty() {
            for name in state.index.names(tenant) {
                let mut pairs = state.index.pairs_of(name).iter();
                let text = state.index.name_text(name);
                if !names.contains(text)
                    && pairs.any(|pair| is_in_range(state, *pair, request.range))
                {
                    names.insert(text.to_owned());
                }
            }
            return;
        }
        for series in selected(state, request) {
            for pair in state.pages.pairs(series).iter().skip(1) {
                let name = state.index.name_text(state.index.name(PairId(*pair)));
                insert(names, name);
            }
        }
    })
}

/// Values of one label of the series that a request asks for.
pub(crate) fn label_values(
    heads: &[Arc<Head>],
    name: &str,
    request: &SeriesRequest,
) -> Vec<String> {
    gather(heads, request, |state, tenant, values| {
        let Some(name) = state.index.find_name(tenant, name) else { return };
        if request.matcher_sets.is_empty() {
            for pair in state.index.pairs_of(name) {
                let value = state.index.value(*pair);
                // Most values are in every head; one of them answers for all.
                if !values.contains(value) && is_in_range(state, *pair, request.range) {
                    values.insert(value.to_owned());
                }
            }
            return;
        }
        let mut pairs = BTreeSet::new();
        for series in selected(state, request) {
            let of_name = |pair: &&u32| state.index.name(PairId(**pair)) == name;
            pairs.extend(state.pages.pairs(series).iter().find(of_name));
        }
        values.extend(pairs.into_iter().map(|pair| state.index.value(PairId(pair)).to_owned()));
    })
}

/// Metadata of a tenant's families, or of one: sorted, each family once.
pub(crate) fn metadata(
    heads: &[Arc<Head>],
    tenant: &TenantId,
    family: Option<&str>,
) -> Vec<FamilyMetadata> {
    merge_metadata(heads.iter().map(|head| {
        let state = head.read();
        let tenant = state.index.find_tenant(tenant.as_str());
        tenant.map_or_else(Vec::new, |tenant| state.metadata.list(tenant, family))
    }))
}

/// Texts of all heads, sorted, each once, as many as wanted.
fn gather(
    heads: &[Arc<Head>],
    request: &SeriesRequest,
    add: impl Fn(&State, TenantNumber, &mut BTreeSet<String>),
) -> Vec<String> {
    let mut texts = BTreeSet::new();
    for head in heads {
        let state = head.read();
        if let Some(tenant) = state.index.find_tenant(request.tenant.as_str()) {
            add(&state, tenant, &mut texts);
        }
    }
    let mut texts: Vec<String> = texts.into_iter().collect();
    truncate(&mut texts, request.limit);
    texts
}

/// Refs of the series that a request asks for, ascending.
fn selected(state: &State, request: &SeriesRequest) -> Vec<u32> {
    let refs = match &request.matcher_sets[..] {
        [] => matching::find(state, &request.tenant, &[]),
        [set] => matching::find(state, &request.tenant, set),
        sets => {
            let find = |set: &Vec<_>| matching::find(state, &request.tenant, set);
            let mut refs: Vec<u32> = sets.iter().flat_map(find).collect();
            refs.sort_unstable();
            refs.dedup();
            refs
        }
    };
    let range = visible(state, request.range);
    in_range(state, &refs, range).map(|found| found.series).collect()
}

/// Whether any series with the pair has samples in `range`.
fn is_in_range(state: &State, pair: PairId, range: TimeRange) -> bool {
    let range = visible(state, range);
    state.index.postings(pair).iter().any(|series| in_range(state, &[series], range).count() > 0)
}

fn visible(state: &State, range: TimeRange) -> TimeRange {
    TimeRange::new(range.start_ms.max(state.counters.dropped_before_ms), range.end_ms)
}

fn insert(texts: &mut BTreeSet<String>, text: &str) {
    if !texts.contains(text) {
        texts.insert(text.to_owned());
    }
}

fn truncate<T>(list: &mut Vec<T>, limit: usize) {
    if limit > 0 {
        list.truncate(limit);
    }
}
