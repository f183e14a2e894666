//! Frames that wait for their entry, bounded by bytes.

use std::collections::VecDeque;

use model::{Failure, FailureKind};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Waiting;

/// How often other tasks go first once there is a frame. Requests that were read already get their
/// frames into the same entry then, and share its sync; on an idle node it is nothing. The first turn
/// runs what is queued, the next ones what the sockets had to say meanwhile.
const TURNS: u32 = 3;

/// A queue of frames; one task takes from it.
#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    inner: Mutex<Inner>,
    arrivals: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    is_closed: bool,
}

// === impl Queue ===

impl Queue {
    /// An empty queue for at most `bytes_max`; one frame may always wait.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, inner: Mutex::default(), arrivals: Notify::new() }
    }

    /// Adds a frame at the end.
    pub(super) fn push(&self, waiting: Waiting) -> Result<(), Failure> {
        let bytes = waiting.frame.len();
        {
            let mut inner = self.inner.lock();
            if inner.is_closed {
                return Err(unavailable("err-varve-stopping", "the node is stopping".to_owned()));
            }
            if inner.bytes > 0 && inner.bytes + bytes > self.bytes_max {
                let text = format!(
                    "{} bytes wait for the log already, the limit is {} \
                     (--ingester.queue-bytes-max)",
                    inner.bytes, self.bytes_max
                );
                return Err(unavailable("err-varve-overloaded", text));
            }
            inner.bytes += bytes;
            inner.waiting.push_back(waiting);
        }
        self.arrivals.notify_one();
        Ok(())
    }

    /// The next frames, in order: at least one, and further ones up to `bytes` and `frames`. Waits
    /// for the first, and lets whatever else is ready run before it takes it; dropped while waiting, it
    /// has taken nothing.
    pub(super) async fn next(&self, bytes: usize, frames: usize) -> Vec<Waiting> {
        while self.inner.lock().waiting.is_empty() {
            self.arrivals.notified().await;
        }
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        self.take(bytes, frames)
    }

    fn take(&self, bytes: usize, frames: usize) -> Vec<Waiting> {
        let mut inner = self.inner.lock();
        let mut taken = 0;
        let mut count = 0;
        for waiting in inner.waiting.iter().take(frames) {
            if count > 0 && taken + waiting.frame.len() > bytes {
                break;
            }
            taken += waiting.frame.len();
            count += 1;
        }
        inner.bytes -= taken;
        inner.waiting.drain(..count).collect()
    }

    /// Refuses what comes; whoever waits learns that it is over.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        inner.waiting.clear();
        inner.bytes = 0;
    }
}

fn unavailable(id: &'static str, text: String) -> Failure {
    Failure::new(FailureKind::Unavailable, id, text)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::oneshot;

    use super::*;

    fn waiting(bytes: usize) -> Waiting {
        Waiting { frame: Bytes::from(vec![0; bytes]), cut: None, answer: oneshot::channel().0 }
    }

    #[tokio::test]
    async fn batches_are_bounded_and_in_order() {
        let queue = Queue::new(1_000);
        for bytes in [300, 10, 20, 5, 5] {
            queue.push(waiting(bytes)).unwrap();
        }
        let sizes = |batch: Vec<Waiting>| -> Vec<usize> {
            batch.iter().map(|waiting| waiting.frame.len()).collect()
        };
        assert_eq!(sizes(queue.next(100, 9).await), [300], "an oversized frame goes alone");
        assert_eq!(sizes(queue.next(32, 9).await), [10, 20]);
        assert_eq!(sizes(queue.next(32, 1).await), [5]);
        assert_eq!(sizes(queue.next(32, 1).await), [5]);
    }

    #[test]
    fn what_exceeds_the_bound_may_be_retried() {
        let queue = Queue::new(100);
        queue.push(waiting(300)).unwrap();
        let refused = queue.push(waiting(1)).unwrap_err();
        assert_eq!((refused.id, refused.is_retryable()), ("err-varve-overloaded", true));
        queue.close();
        assert_eq!(queue.push(waiting(1)).unwrap_err().id, "err-varve-stopping");
    }
}
