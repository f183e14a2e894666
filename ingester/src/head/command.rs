//! Commands of a partition: the payload of its log entries.
//!
//! ```text
//!  version u8 = 1 │ kind u8
//!  kind 1, frames     n_frames u16 │ { len u32 │ frame } …
//!  kind 2, retention  before_ms i64
//! ```
//!
//! Integers are little endian. A frame's own bytes are described in `cluster::frame`.

use cluster::FrameView;
use model::TimestampMs;

/// The version that this code writes.
const VERSION: u8 = 1;
const FRAMES: u8 = 1;
const RETENTION: u8 = 2;

/// A command that has been read.
#[derive(Debug, Clone)]
pub(crate) enum Command<'a> {
    /// Append the samples of these frames, in this order.
    Frames(Vec<FrameView<'a>>),
    /// Drop the windows that end at `before_ms` or earlier, and series that have nothing else.
    Retention {
        /// Milliseconds since the Unix epoch.
        before_ms: TimestampMs,
    },
}

/// Why a payload is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// Written by a newer version.
    #[error("command version {0} is not supported, this build reads version {VERSION}")]
    Version(u8),
    /// Written by a newer version.
    #[error("command kind {0} is not known to this build")]
    Kind(u8),
    /// The parts do not add up.
    #[error("command of {bytes} bytes is malformed")]
    Malformed {
        /// Bytes at hand.
        bytes: usize,
    },
    /// One of the frames is not a frame.
    #[error(transparent)]
    Frame(#[from] cluster::FrameError),
}

/// Appends a command that carries `frames` to `out`; at most 65,535 of them.
pub(crate) fn encode_frames<'a>(
    frames: impl ExactSizeIterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    let count = u16::try_from(frames.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[VERSION, FRAMES]);
    out.extend_from_slice(&count.to_le_bytes());
    for frame in frames.take(usize::from(count)) {
        let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(frame);
    }
}

/// The command that drops what lies before `before_ms`.
pub(crate) fn encode_retention(before_ms: TimestampMs) -> Vec<u8> {
    let mut out = vec![VERSION, RETENTION];
    out.extend_from_slice(&before_ms.to_le_bytes());
    out
}

// === impl Command ===

impl<'a> Command<'a> {
    /// Reads a payload.
    pub(crate) fn decode(payload: &'a [u8]) -> Result<Self, CommandError> {
        let malformed = || CommandError::Malformed { bytes: payload.len() };
        match payload {
            [VERSION, FRAMES, a, b, rest @ ..] => {
                let frames = usize::from(u16::from_le_bytes([*a, *b]));
                Self::decode_frames(frames, rest).ok_or_else(malformed)?
            }
            [VERSION, RETENTION, before_ms @ ..] => {
                let before_ms = before_ms.try_into().map_err(|_| malformed())?;
                Ok(Self::Retention { before_ms: i64::from_le_bytes(before_ms) })
            }
            [VERSION, FRAMES] | [VERSION] | [] => Err(malformed()),
            [VERSION, kind, ..] => Err(CommandError::Kind(*kind)),
            [version, ..] => Err(CommandError::Version(*version)),
        }
    }

    /// `None` when the lengths do not add up.
    fn decode_frames(count: usize, mut rest: &'a [u8]) -> Option<Result<Self, CommandError>> {
        let mut frames = Vec::with_capacity(count.min(rest.len() / 4));
        for _ in 0..count {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            let (frame, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            match FrameView::parse(frame) {
                Ok(view) => frames.push(view),
                Err(error) => return Some(Err(error.into())),
            }
            rest = tail;
        }
        rest.is_empty().then_some(Ok(Self::Frames(frames)))
    }
}
