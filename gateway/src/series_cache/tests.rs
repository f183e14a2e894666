//! The cache as requests see it, across changes of the routes.

use cluster::PartitionRoute;
use model::{PartitionId, SlotMap};

use super::*;

fn routes(epoch: u64, generations: &[u64]) -> Arc<Routes> {
    let partitions = (0..).zip(generations);
    let partitions: Vec<_> = partitions
        .map(|(id, generation)| PartitionRoute { id: PartitionId(id), generation: *generation })
        .collect();
    Arc::new(Routes { slots: SlotMap::even(epoch, 2), partitions })
}

/// A cache that knows series `a` on position 0 and `b` on position 1.
fn cache(routes: &Arc<Routes>) -> SeriesCache {
    let cache = SeriesCache::new(1_000, Arc::clone(routes));
    for (position, name, series) in [(0, "a", 10), (1, "b", 20)] {
        cache.learn(routes, position, std::iter::once((print(&cache, name), SeriesRef(series))));
    }
    cache
}

fn print(cache: &SeriesCache, name: &str) -> Fingerprint {
    cache.hasher(&TenantId::anonymous()).fingerprint(name.as_bytes())
}

/// What the cache knows of `a`, `b` and `c`.
fn known(cache: &SeriesCache, routes: &Arc<Routes>) -> Vec<Option<(u16, u32)>> {
    let mut places = Vec::new();
    cache.probe(routes, &["a", "b", "c"].map(|name| print(cache, name)), &mut places);
    places.iter().map(|place| place.map(|place| (place.position, place.series.0))).collect()
}

#[test]
fn what_was_learned_is_known() {
    let routes = routes(1, &[1, 1]);
    let cache = cache(&routes);
    assert_eq!(known(&cache, &routes), [Some((0, 10)), Some((1, 20)), None]);
    assert_eq!(cache.size().entries, 2);
}

#[test]
fn a_new_generation_forgets_its_partition() {
    let (before, after) = (routes(1, &[1, 1]), routes(1, &[1, 2]));
    let cache = cache(&before);
    cache.follow(&after);
    assert_eq!(known(&cache, &after), [Some((0, 10)), None, None]);
}

#[test]
fn moved_slots_forget_everything() {
    for after in [routes(2, &[1, 1]), routes(1, &[1, 1, 1])] {
        let cache = cache(&routes(1, &[1, 1]));
        cache.follow(&after);
        assert_eq!(known(&cache, &after), [None, None, None]);
        assert_eq!(cache.size(), CacheSize { entries: 0, bytes: 0 });
    }
}

#[test]
fn equal_routes_forget_nothing() {
    let (before, after) = (routes(1, &[1, 1]), routes(1, &[1, 1]));
    let cache = cache(&before);
    cache.follow(&after);
    assert_eq!(known(&cache, &after), [Some((0, 10)), Some((1, 20)), None]);
}

#[test]
fn a_request_that_still_goes_by_old_routes_neither_reads_nor_writes() {
    let (before, after) = (routes(1, &[1, 1]), routes(1, &[1, 2]));
    let cache = cache(&before);
    cache.follow(&after);
    assert_eq!(known(&cache, &before), [None, None, None]);
    cache.learn(&before, 1, std::iter::once((print(&cache, "b"), SeriesRef(20))));
    assert_eq!(known(&cache, &after), [Some((0, 10)), None, None]);
}

#[test]
fn tenants_do_not_share_series_and_processes_do_not_share_secrets() {
    let routes = routes(1, &[1, 1]);
    let (one, other) = (cache(&routes), cache(&routes));
    let team = TenantId::new("team").unwrap();
    let of_team = one.hasher(&team).fingerprint(b"a");
    assert_ne!(of_team, print(&one, "a"));
    assert_ne!(print(&one, "a"), print(&other, "a"));
}

#[test]
fn the_cache_stays_within_its_limit() {
    let routes = routes(1, &[1, 1]);
    let cache = SeriesCache::new(1_600, Arc::clone(&routes));
    let mut evicted = 0;
    for i in 0..10_000 {
        let print = print(&cache, &i.to_string());
        evicted += cache.learn(&routes, 0, std::iter::once((print, SeriesRef(i))));
    }
    assert_eq!(cache.size().entries + evicted, 10_000);
    assert!(cache.size().entries <= 1_600);
}
