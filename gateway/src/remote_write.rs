//! Remote write 1.0: snappy, protobuf, labels, and why any of it may be refused.
//!
//! Everything is read in place from one decompressed buffer, and every size is checked before
//! memory is taken for it.

pub(crate) mod labels;
pub(crate) mod refusal;
pub(crate) mod walk;
pub(crate) mod wire;

use model::{Failure, FailureKind};

use wire::WireError;

/// Why a body is not a write request. Nothing of such a request is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// The snappy header declares more than may be decompressed.
    #[error("decoded size exceeds the {limit} bytes limit")]
    DecodedTooLarge { limit: usize },
    /// Not a snappy block.
    #[error("cannot decompress the body: {0}")]
    Snappy(#[from] snap::Error),
    /// Not a `prometheus.WriteRequest`.
    #[error("cannot decode prometheus.WriteRequest: {0}")]
    Wire(#[from] WireError),
    /// More samples than one request may have.
    #[error(
        "request has more than {limit} samples, the limit of --gateway.request-samples-max; \
         send smaller requests"
    )]
    TooManySamples { limit: usize },
}

// === impl DecodeError ===

impl DecodeError {
    /// The failure to answer with.
    pub(crate) fn failure(&self) -> Failure {
        let id = match self {
            Self::DecodedTooLarge { .. } => "err-varve-decoded-too-large",
            Self::Snappy(_) => "err-varve-not-snappy",
            Self::Wire(_) => "err-varve-not-a-write-request",
            Self::TooManySamples { .. } => "err-varve-too-many-samples",
        };
        Failure::new(FailureKind::Invalid, id, self.to_string())
    }
}

/// The size that a snappy block says it has when decompressed, if that is allowed.
///
/// Must come before any buffer is sized: the header is the sender's word.
pub(crate) fn decoded_len(compressed: &[u8], limit: usize) -> Result<usize, DecodeError> {
    // The decoder reports an empty input, `decompress_len` calls it zero bytes long.
    if compressed.is_empty() {
        return Err(snap::Error::Empty.into());
    }
    match snap::raw::decompress_len(compressed) {
        Ok(bytes) if bytes <= limit => Ok(bytes),
        Ok(_) | Err(snap::Error::TooBig { .. }) => Err(DecodeError::DecodedTooLarge { limit }),
        Err(error) => Err(error.into()),
    }
}

/// Decompresses into `buffer`, which is only ever made longer, so that a recycled one is not
/// cleared again. `len` is from [`decoded_len`].
pub(crate) fn decompress<'b>(
    compressed: &[u8],
    len: usize,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8], DecodeError> {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let written = snap::raw::Decoder::new().decompress(compressed, buffer)?;
    Ok(&buffer[..written])
}

#[cfg(test)]
mod tests;
