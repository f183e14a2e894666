//! How far the node is: starting, ready or stopping, with words and numbers for people.

use std::sync::Arc;

use tokio::sync::watch;

/// Where a node stands in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Not serving yet; says what it is doing and how far it is.
    Starting {
        /// What is being done, e.g. `replaying the log`.
        doing: String,
        /// Units done so far.
        done: u64,
        /// Units in all; 0 while that is not known.
        total: u64,
    },
    /// Serving.
    Ready,
    /// Finishing what was begun; takes nothing new.
    Stopping,
}

/// The shared state behind `/-/ready`. All clones are the same state.
#[derive(Debug, Clone)]
pub struct Readiness {
    phase: Arc<watch::Sender<Phase>>,
}

// === impl Phase ===

impl Phase {
    /// One line for a person: `replaying the log (3/17)`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Starting { doing, total: 0, .. } => format!("starting: {doing}"),
            Self::Starting { doing, done, total } => format!("starting: {doing} ({done}/{total})"),
            Self::Ready => "ready".to_owned(),
            Self::Stopping => "stopping: finishing what was begun".to_owned(),
        }
    }
}

// === impl Readiness ===

impl Readiness {
    /// A node that has just begun to start.
    #[must_use]
    pub fn new() -> Self {
        let phase = Phase::Starting { doing: "opening".to_owned(), done: 0, total: 0 };
        Self { phase: Arc::new(watch::Sender::new(phase)) }
    }

    /// Tells what the start is at. Ignored once the node is ready or stopping, so that a late report
    /// of a background step cannot take a serving node out of service.
    pub fn starting(&self, doing: impl Into<String>, done: u64, total: u64) {
        self.phase.send_if_modified(|phase| {
            let is_starting = matches!(phase, Phase::Starting { .. });
            if is_starting {
                *phase = Phase::Starting { doing: doing.into(), done, total };
            }
            is_starting
        });
    }

    /// The node serves from now on, unless it is already stopping.
    pub fn ready(&self) {
        self.phase.send_if_modified(|phase| {
            let is_starting = matches!(phase, Phase::Starting { .. });
            if is_starting {
                *phase = Phase::Ready;
            }
            is_starting
        });
    }

    /// The node is on its way out; there is no way back.
    pub fn stopping(&self) {
        self.phase.send_replace(Phase::Stopping);
    }

    /// The phase at this moment.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    /// Follows the phase as it changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_only_moves_forward() {
        let readiness = Readiness::new();
        readiness.starting("replaying the log", 3, 17);
        assert_eq!(readiness.phase().text(), "starting: replaying the log (3/17)");
        readiness.ready();
        readiness.starting("late", 1, 2);
        assert_eq!(readiness.phase(), Phase::Ready);
        readiness.stopping();
        readiness.ready();
        assert_eq!(readiness.phase(), Phase::Stopping);
    }
}
