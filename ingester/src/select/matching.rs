//! From matchers to refs.
//!
//! The matcher whose label pairs have the fewest series gives the candidates; every other matcher
//! is then asked about each candidate's own pairs, which are a few numbers side by side. So a long
//! postings list is never walked to find a few series, and no text is looked at once a pair.

use model::{Matcher, TenantId};

use crate::head::{NameId, PairId, State, TenantNumber};

/// What one matcher says about a series, by its pairs.
#[derive(Debug)]
enum Verdict {
    /// One of these pairs must be there.
    Needs { pairs: Vec<PairId>, series: u64 },
    /// None of these pairs may be there.
    Forbids { pairs: Vec<PairId> },
    /// Every series satisfies it.
    Always,
    /// No series satisfies it.
    Never,
}

/// A set of pairs that is quick to ask.
#[derive(Debug)]
enum PairSet {
    One(u32),
    Many(Vec<u64>),
}

/// Refs of the tenant's series that satisfy all matchers, ascending.
pub(crate) fn find(state: &State, tenant: &TenantId, matchers: &[Matcher]) -> Vec<u32> {
    let Some(tenant) = state.index.find_tenant(tenant.as_str()) else { return Vec::new() };
    let Some(root) = state.index.root(tenant) else { return Vec::new() };
    let mut verdicts: Vec<Verdict> =
        matchers.iter().map(|matcher| judge(state, tenant, matcher)).collect();
    if verdicts.iter().any(|verdict| matches!(verdict, Verdict::Never)) {
        return Vec::new();
    }
    let narrowest = (0..verdicts.len()).filter_map(|i| match &verdicts[i] {
        Verdict::Needs { series, .. } => Some((*series, i)),
        _ => None,
    });
    let candidates = match narrowest.min() {
        Some((_, i)) => match verdicts.swap_remove(i) {
            Verdict::Needs { pairs, .. } => union(state, &pairs),
            _ => Vec::new(),
        },
        None => union(state, &[root]),
    };
    filter(state, candidates, &verdicts)
}

fn judge(state: &State, tenant: TenantNumber, matcher: &Matcher) -> Verdict {
    let matches_absent = matcher.matches_empty();
    let Some(name) = state.index.find_name(tenant, matcher.name()) else {
        return if matches_absent { Verdict::Always } else { Verdict::Never };
    };
    if matches_absent {
        let pairs = pairs_where(state, name, |value| !matcher.matches(value));
        return if pairs.is_empty() { Verdict::Always } else { Verdict::Forbids { pairs } };
    }
    let pairs: Vec<PairId> = match matcher.literals() {
        Some(literals) => {
            let found = |value| state.index.find_pair(name, value);
            let mut pairs: Vec<PairId> = literals.into_iter().filter_map(found).collect();
            pairs.sort_unstable();
            pairs.dedup();
            pairs
        }
        None => pairs_where(state, name, |value| matcher.matches(value)),
    };
    if pairs.is_empty() {
        return Verdict::Never;
    }
    let series = pairs.iter().map(|pair| u64::from(state.index.postings(*pair).len())).sum();
    Verdict::Needs { pairs, series }
}

fn pairs_where(state: &State, name: NameId, wanted: impl Fn(&str) -> bool) -> Vec<PairId> {
    let pairs = state.index.pairs_of(name).iter().copied();
    pairs.filter(|pair| wanted(state.index.value(*pair))).collect()
}

/// Refs that have one of `pairs`, ascending. The pairs are of one name, so no ref comes twice.
fn union(state: &State, pairs: &[PairId]) -> Vec<u32> {
    let mut refs = Vec::new();
    for pair in pairs {
        refs.extend(state.index.postings(*pair).iter());
    }
    if pairs.len() > 1 {
        refs.sort_unstable();
    }
    refs
}

fn filter(state: &State, mut refs: Vec<u32>, verdicts: &[Verdict]) -> Vec<u32> {
    let tests: Vec<(PairSet, bool)> = verdicts
        .iter()
        .filter_map(|verdict| match verdict {
            Verdict::Needs { pairs, .. } => Some((PairSet::new(pairs), true)),
            Verdict::Forbids { pairs } => Some((PairSet::new(pairs), false)),
            Verdict::Always | Verdict::Never => None,
        })
        .collect();
    if !tests.is_empty() {
        refs.retain(|series| {
            let pairs = state.pages.pairs(*series);
            tests.iter().all(|(set, wanted)| pairs.iter().any(|pair| set.has(*pair)) == *wanted)
        });
    }
    refs
}

// === impl PairSet ===

impl PairSet {
    fn new(pairs: &[PairId]) -> Self {
        if let [one] = pairs {
            return Self::One(one.0);
        }
        let last = pairs.iter().map(|pair| pair.0 as usize).max().unwrap_or_default();
        let mut words = vec![0; last / 64 + 1];
        for pair in pairs {
            words[(pair.0 / 64) as usize] |= 1 << (pair.0 % 64);
        }
        Self::Many(words)
    }

    #[inline]
    fn has(&self, pair: u32) -> bool {
        match self {
            Self::One(one) => *one == pair,
            Self::Many(words) => {
                words.get((pair / 64) as usize).is_some_and(|word| word >> (pair % 64) & 1 == 1)
            }
        }
    }
}
