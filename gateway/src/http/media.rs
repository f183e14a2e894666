//! Which bodies are understood: `application/x-protobuf` with remote write 1.0's message, in snappy.
//!
//! What a sender leaves out is taken to be just that, as `client_golang` does.

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use model::{Failure, FailureKind};

const PROTOBUF: &str = "application/x-protobuf";
const SNAPPY: &str = "snappy";

/// The message of remote write 1.0.
const WRITE_V1: &str = "prometheus.WriteRequest";
/// The message of remote write 2.0, which is known but not yet accepted.
const WRITE_V2: &str = "io.prometheus.write.v2.Request";

/// Why a body is not even read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MediaError {
    #[error("expected {PROTOBUF} as the first (media) part, got {got} content-type")]
    NotProtobuf { got: String },
    #[error(
        "as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be \
         key-values, got {parameter} in {got} content-type"
    )]
    Parameter { parameter: String, got: String },
    #[error(
        "got {got} content type; unknown type for remote write protobuf message {message}, \
         supported: {WRITE_V1}"
    )]
    UnknownMessage { message: String, got: String },
    #[error("{WRITE_V2} protobuf message is not accepted by this server; only accepts {WRITE_V1}")]
    VersionTwo,
    #[error(
        "{got} encoding (compression) is not accepted by this server; only {SNAPPY} is acceptable"
    )]
    Encoding { got: String },
}

// === impl MediaError ===

impl MediaError {
    pub(super) fn failure(&self) -> Failure {
        let id = match self {
            Self::Encoding { .. } => "err-varve-unsupported-encoding",
            _ => "err-varve-unsupported-media-type",
        };
        Failure::new(FailureKind::Unsupported, id, self.to_string())
    }
}

/// Checks media type and encoding of a request.
pub(super) fn check(headers: &HeaderMap) -> Result<(), MediaError> {
    if let Some(content_type) = text(headers, &CONTENT_TYPE) {
        check_type(content_type.trim())?;
    }
    match text(headers, &CONTENT_ENCODING) {
        Some(encoding) if encoding != SNAPPY => Err(MediaError::Encoding { got: encoding }),
        _ => Ok(()),
    }
}

fn check_type(content_type: &str) -> Result<(), MediaError> {
    let got = || content_type.to_owned();
    let mut parts = content_type.split(';');
    if parts.next() != Some(PROTOBUF) {
        return Err(MediaError::NotProtobuf { got: got() });
    }
    for parameter in parts {
        let mut pair = parameter.split('=');
        let (Some(key), Some(message), None) = (pair.next(), pair.next(), pair.next()) else {
            return Err(MediaError::Parameter { parameter: parameter.to_owned(), got: got() });
        };
        if key.trim() == "proto" {
            return match message {
                WRITE_V1 => Ok(()),
                WRITE_V2 => Err(MediaError::VersionTwo),
                _ => Err(MediaError::UnknownMessage { message: message.to_owned(), got: got() }),
            };
        }
    }
    Ok(())
}

/// The first header of this name; an empty one counts as none, as in Go.
fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned()).filter(|text| !text.is_empty())
}
