//! A keep-alive HTTP/1.1 connection for POSTs, by hand.
//!
//! A general client costs more than the request itself at half a thousand requests a second; queries
//! use one all the same (`query.rs`).

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};

/// How long a request may take before its outcome counts as unknown.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The most a response's body may have; the sender only wants the first line of an error.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// `host:port`.
    pub authority: String,
    /// Path, beginning with a slash.
    pub path: String,
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body as text.
    pub text: String,
    /// Whether the server keeps the connection.
    pub is_kept: bool,
}

// === impl Endpoint ===

impl Endpoint {
    /// Reads `http://host:port[/base]` and appends `path`.
    ///
    /// # Errors
    /// Anything but plain HTTP.
    pub fn new(url: &str, path: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("--url {url} must begin with http://");
        };
        let (authority, base) = rest.split_once('/').unwrap_or((rest, ""));
        let base = base.trim_end_matches('/');
        let slash = if base.is_empty() { "" } else { "/" };
        Ok(Self { authority: authority.to_owned(), path: format!("{slash}{base}{path}") })
    }
}

// === impl Connection ===

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn open(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&endpoint.authority)
            .with_context(|| format!("connect to {}", endpoint.authority))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream: BufReader::new(stream), request: Vec::new() })
    }

    /// Sends a remote-write 1.0 body and waits for the answer.
    ///
    /// # Errors
    /// The connection broke or timed out: whether the server stored anything is unknown.
    pub fn post(&mut self, endpoint: &Endpoint, body: &[u8]) -> anyhow::Result<Answer> {
        let mut head = String::with_capacity(256);
        write!(
            head,
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: varve-loadtest\r\n\
             Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n\
             X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: {}\r\n\r\n",
            endpoint.path,
            endpoint.authority,
            body.len()
        )?;
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.request)?;
        self.read_answer()
    }

    fn read_answer(&mut self) -> anyhow::Result<Answer> {
        let line = self.read_line()?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let Some(status) = status else { bail!("not a status line: {line:?}") };
        let mut length = 0;
        let mut is_chunked = false;
        let mut is_kept = true;
        loop {
            let header = self.read_line()?.to_ascii_lowercase();
            match header.split_once(':').map(|(name, value)| (name, value.trim())) {
                Some(("content-length", value)) => length = value.parse()?,
                Some(("transfer-encoding", value)) => is_chunked = value == "chunked",
                Some(("connection", value)) => is_kept = value != "close",
                Some(_) => {}
                None => break,
            }
        }
        let body = if is_chunked { self.read_chunks()? } else { self.read_exactly(length)? };
        Ok(Answer { status, text: String::from_utf8_lossy(&body).into_owned(), is_kept })
    }

    fn read_chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.read_line()?, 16)?;
            body.extend(self.read_exactly(length)?);
            self.read_line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn read_exactly(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        if length > BODY_BYTES_MAX {
            bail!("a response of {length} bytes is larger than {BODY_BYTES_MAX}");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn read_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.stream.by_ref().take(65_536).read_line(&mut line)? == 0 {
            bail!("the server closed the connection");
        }
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::Endpoint;

    #[test]
    fn an_endpoint_is_authority_and_path() {
        let check = |url: &str, authority: &str, path: &str| {
            let endpoint = Endpoint::new(url, "/api/v1/write").unwrap();
            assert_eq!((endpoint.authority.as_str(), endpoint.path.as_str()), (authority, path));
        };
        check("http://127.0.0.1:9009", "127.0.0.1:9009", "/api/v1/write");
        check("http://127.0.0.1:9009/", "127.0.0.1:9009", "/api/v1/write");
        check("http://a:1/prometheus/", "a:1", "/prometheus/api/v1/write");
        assert!(Endpoint::new("https://a", "/").is_err());
    }
}
