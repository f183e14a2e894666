//! Preference order of nodes for a key, by consistent hashing: placement candidates, and later
//! owners of scrape targets, rule groups and compaction jobs. Never series → partition.

use hashring::HashRing;

/// Points of one node on the ring; more points spread keys more evenly.
const POINTS_PER_NODE: u32 = 64;

/// A ring of node ids.
#[derive(Debug, Clone)]
pub struct PreferenceRing {
    ring: HashRing<(u64, u32)>,
}

// === impl PreferenceRing ===

impl PreferenceRing {
    /// A ring over `nodes`.
    #[must_use]
    pub fn new(nodes: &[u64]) -> Self {
        let mut ring = HashRing::new();
        for node in nodes {
            ring.batch_add((0..POINTS_PER_NODE).map(|point| (*node, point)).collect());
        }
        Self { ring }
    }

    /// The first `count` distinct nodes for `key`, most preferred first.
    #[must_use]
    pub fn preferred(&self, key: &str, count: usize) -> Vec<u64> {
        let mut nodes: Vec<u64> = Vec::with_capacity(count);
        for (node, _) in self.ring.get_with_replicas(&key, self.ring.len()).unwrap_or_default() {
            if nodes.len() == count {
                break;
            }
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_joins_takes_about_its_share_and_moves_nothing_else() {
        let (before, after) = (PreferenceRing::new(&[1, 2, 3]), PreferenceRing::new(&[1, 2, 3, 4]));
        let mut moved = 0;
        for key in (0..1000).map(|i| format!("partition-{i}")) {
            let (old, new) = (before.preferred(&key, 1), after.preferred(&key, 1));
            if old != new {
                assert_eq!(new, [4], "{key} moved between nodes that stayed");
                moved += 1;
            }
        }
        assert!((150..350).contains(&moved), "{moved} of 1000 keys moved, expected about 250");
    }

    #[test]
    fn preferred_nodes_are_distinct_and_bounded_by_the_ring() {
        let nodes = PreferenceRing::new(&[7, 8]).preferred("k", 5);
        assert_eq!(nodes.len(), 2);
        assert_ne!(nodes[0], nodes[1]);
    }
}
