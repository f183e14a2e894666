//! Parameters of a request, from its query string and its form, as Go's `net/url` reads them.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, header};
use model::{Failure, FailureKind};

use super::bad_data;

/// The largest form. A query may have 1 MiB, and each of its bytes may be escaped.
const FORM_BYTES_MAX: usize = 4 << 20;

/// Names and values; those of the body come first, so that they win.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

// === impl Form ===

impl Form {
    /// Reads the parameters of `request`.
    ///
    /// # Errors
    /// When the form is too large, cut off, or not a form.
    pub(super) async fn read(request: Request) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let mut form = Self::default();
        let media = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = media.and_then(|media| media.split(';').next()).unwrap_or_default().trim();
        let is_form = media.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if parts.method == Method::POST && is_form {
            form.extend(&read_body(body).await?)?;
        }
        form.extend(parts.uri.query().unwrap_or_default().as_bytes())?;
        Ok(form)
    }

    /// The first value of `name`; empty when there is none.
    pub(super) fn first(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// All values of `name`.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first value of `name`, taken out.
    pub(super) fn take(self, name: &str) -> String {
        let mut pairs = self.0.into_iter();
        pairs.find(|(n, _)| n == name).map(|(_, value)| value).unwrap_or_default()
    }

    fn extend(&mut self, encoded: &[u8]) -> Result<(), Failure> {
        for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if pair.contains(&b';') {
                return Err(malformed("invalid semicolon separator in query"));
            }
            let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(end + 1..).unwrap_or_default();
            self.0.push((unescape(&pair[..end])?, unescape(value)?));
        }
        Ok(())
    }
}

async fn read_body(body: Body) -> Result<bytes::Bytes, Failure> {
    axum::body::to_bytes(body, FORM_BYTES_MAX).await.map_err(|error| {
        let mut source: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = source {
            if error.to_string().contains("length limit exceeded") {
                return Failure::new(
                    FailureKind::TooLarge,
                    "err-varve-form-too-large",
                    format!("form is larger than {FORM_BYTES_MAX} bytes"),
                );
            }
            source = error.source();
        }
        malformed("the body ended too soon")
    })
}

/// Undoes `+` and `%XX`.
fn unescape(escaped: &[u8]) -> Result<String, Failure> {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex = |at: usize| char::from(*tail.get(at)?).to_digit(16);
                let (Some(high), Some(low)) = (hex(0), hex(1)) else {
                    let wrong = String::from_utf8_lossy(&tail[..tail.len().min(2)]);
                    return Err(malformed(&format!("invalid URL escape \"%{wrong}\"")));
                };
                bytes.push(u8::try_from(high * 16 + low).expect("two hex digits are a byte"));
                rest = &tail[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| malformed("a value is not UTF-8"))
}

fn malformed(why: &str) -> Failure {
    bad_data(format!("error parsing form values: {why}"))
}
