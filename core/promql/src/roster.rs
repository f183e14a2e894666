//! Which series a stream of tiles speaks of; tiles name them by their index here.

use std::sync::Arc;

use model::Labels;

/// Series in the order in which tiles number them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Labels of series 0, 1, 2, …
    pub series: Vec<Labels>,
}

/// A roster that several operators share.
pub type SharedRoster = Arc<Roster>;

// === impl Roster ===

impl Roster {
    /// The number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Shares the series.
    #[must_use]
    pub fn shared(series: Vec<Labels>) -> SharedRoster {
        Arc::new(Self { series })
    }
}

/// A position in a roster as tiles name it.
pub(crate) fn series_index(position: usize) -> u32 {
    u32::try_from(position).expect("rosters have fewer than 2^32 series")
}
