//! A request body that must arrive within a time, so that a sender that trickles bytes cannot hold a
//! connection, and what the handler has reserved for it, forever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

/// A body that fails when it has not ended by its deadline.
///
/// Invariant: the timer is created only when the body makes its reader wait; most bodies are already
/// there and cost none.
pub(super) struct Deadlined {
    body: Incoming,
    deadline: Instant,
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

// === impl Deadlined ===

impl Deadlined {
    pub(super) fn new(body: Incoming, timeout: Duration) -> Self {
        Self { body, deadline: Instant::now() + timeout, timeout, timer: None }
    }
}

impl Body for Deadlined {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let (deadline, timeout) = (self.deadline, self.timeout);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        timer.as_mut().poll(cx).map(|()| {
            let text = format!("the body did not arrive within {timeout:?} (--web.read-timeout)");
            Some(Err(io::Error::new(io::ErrorKind::TimedOut, text).into()))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
