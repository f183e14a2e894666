//! Values as Prometheus' JSON (`web/api/v1/json_codec.go`), written by hand and chunk by chunk, so
//! that a large answer needs no second copy of itself in memory.
//!
//! ```text
//!  {"status":"success","data":{"resultType":"matrix","result":[
//!     {"metric":{"__name__":"up"},"values":[[1435781430.781,"1"],[1435781445.781,"0"]]}
//!  ]},"warnings":["…"]}
//! ```

pub(crate) mod number;
pub(crate) mod text;

use axum::body::Body;
use bytes::Bytes;
use model::{Failure, Labels};
use promql::grid::Grid;
use promql::tile::is_absent;

use crate::value::{Row, Rows, Value};
use number::{put_float, put_timestamp};
use text::{put_string, put_strings};

/// Bytes after which a chunk is sent.
const CHUNK_BYTES: usize = 64 * 1024;

/// The beginning of every answer.
const HEAD: &str = r#"{"status":"success","data":"#;

/// An answer that is being written.
#[derive(Debug)]
struct Chunks {
    rows: Rows,
    key: &'static str,
    stamps: Stamps,
    next: usize,
    tail: Vec<u8>,
    has_ended: bool,
}

/// The instants of a grid as they stand before each value, `,[1435781430.781,`: written once for
/// all series.
#[derive(Debug, Default)]
struct Stamps {
    texts: Vec<u8>,
    ends: Vec<usize>,
}

/// The body of the answer `value`, with what the user is warned of.
///
/// # Errors
/// When a tile is malformed, which would be a bug.
pub(crate) fn value_body(value: Value, warnings: &[&str]) -> Result<Body, Failure> {
    let (kind, key, rows) = match value {
        Value::Scalar { at_ms, value } => {
            return Ok(single("scalar", warnings, |out| put_point(out, at_ms, value)));
        }
        Value::Text { at_ms, text } => {
            return Ok(single("string", warnings, |out| {
                out.push(b'[');
                put_timestamp(out, at_ms);
                out.push(b',');
                put_string(out, &text);
                out.push(b']');
            }));
        }
        Value::Vector(rows) => ("vector", "value", rows),
        Value::Matrix(rows) => ("matrix", "values", rows),
    };
    let mut tail = b"]}".to_vec();
    put_end(&mut tail, warnings);
    let stamps = rows.grid().map_or_else(Stamps::default, |grid| Stamps::of(&grid));
    let mut chunks = Chunks { rows, key, stamps, next: 0, tail, has_ended: false };
    let mut first = Vec::with_capacity(1024);
    for part in [HEAD, r#"{"resultType":""#, kind, r#"","result":["#] {
        first.extend_from_slice(part.as_bytes());
    }
    chunks.fill(&mut first)?;
    if chunks.has_ended {
        return Ok(Body::from(first));
    }
    let first = std::iter::once(Ok(Bytes::from(first)));
    Ok(Body::from_stream(futures::stream::iter(first.chain(chunks))))
}

/// The body of an answer whose data is a list of texts.
pub(crate) fn texts_body<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    warnings: &[&str],
) -> Vec<u8> {
    data_body(warnings, |out| put_strings(out, texts))
}

/// The body of an answer whose data is a list of label sets.
pub(crate) fn series_body(series: &[Labels], warnings: &[&str]) -> Vec<u8> {
    data_body(warnings, |out| {
        out.push(b'[');
        for (i, labels) in series.iter().enumerate() {
            put_comma(out, i);
            put_labels(out, labels);
        }
        out.push(b']');
    })
}

/// The body of an answer whose data `put` writes.
pub(crate) fn data_body(warnings: &[&str], put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = HEAD.as_bytes().to_vec();
    put(&mut out);
    put_end(&mut out, warnings);
    out
}

/// A comma before every element but the first.
pub(crate) fn put_comma(out: &mut Vec<u8>, i: usize) {
    if i > 0 {
        out.push(b',');
    }
}

fn single(kind: &str, warnings: &[&str], put: impl FnOnce(&mut Vec<u8>)) -> Body {
    let body = data_body(warnings, |out| {
        for part in [r#"{"resultType":""#, kind, r#"","result":"#] {
            out.extend_from_slice(part.as_bytes());
        }
        put(out);
        out.push(b'}');
    });
    Body::from(body)
}

fn put_end(out: &mut Vec<u8>, warnings: &[&str]) {
    if !warnings.is_empty() {
        out.extend_from_slice(br#","warnings":"#);
        put_strings(out, warnings.iter().copied());
    }
    out.push(b'}');
}

fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    out.push(b'{');
    for (i, (name, value)) in labels.iter().enumerate() {
        put_comma(out, i);
        put_string(out, name);
        out.push(b':');
        put_string(out, value);
    }
    out.push(b'}');
}

fn put_point(out: &mut Vec<u8>, at_ms: i64, value: f64) {
    out.push(b'[');
    put_timestamp(out, at_ms);
    out.push(b',');
    put_float(out, value);
    out.push(b']');
}

fn put_points(out: &mut Vec<u8>, row: &Row<'_>, stamps: &Stamps) {
    match row {
        Row::Samples(timestamps_ms, values) => {
            for (i, (at_ms, value)) in timestamps_ms.iter().zip(*values).enumerate() {
                put_comma(out, i);
                put_point(out, *at_ms, *value);
            }
        }
        Row::Cells(cells) => {
            let mut is_first = true;
            for (stamp, cell) in stamps.iter().zip(*cells) {
                if is_absent(*cell) {
                    continue;
                }
                out.extend_from_slice(&stamp[usize::from(is_first)..]);
                put_float(out, *cell);
                out.push(b']');
                is_first = false;
            }
        }
    }
}

// === impl Stamps ===

impl Stamps {
    fn of(grid: &Grid) -> Self {
        let mut stamps = Self::default();
        for step in 0..grid.steps {
            stamps.texts.extend_from_slice(b",[");
            put_timestamp(&mut stamps.texts, grid.at(step));
            stamps.texts.push(b',');
            stamps.ends.push(stamps.texts.len());
        }
        stamps
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| &self.texts[std::mem::replace(&mut start, *end)..*end])
    }
}

// === impl Chunks ===

impl Chunks {
    /// Writes rows until `out` is a chunk, and the tail behind the last row.
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<(), Failure> {
        let is_list = self.key == "values";
        while self.next < self.rows.len() {
            if out.len() >= CHUNK_BYTES {
                return Ok(());
            }
            put_comma(out, self.next);
            out.extend_from_slice(br#"{"metric":"#);
            put_labels(out, self.rows.labels(self.next));
            out.extend_from_slice(br#",""#);
            out.extend_from_slice(self.key.as_bytes());
            out.extend_from_slice(if is_list { br#"":["# } else { br#"":"# });
            put_points(out, &self.rows.row(self.next)?, &self.stamps);
            out.extend_from_slice(if is_list { b"]}" } else { b"}" });
            self.next += 1;
        }
        out.extend_from_slice(&self.tail);
        self.has_ended = true;
        Ok(())
    }
}

impl Iterator for Chunks {
    type Item = Result<Bytes, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let mut out = Vec::with_capacity(CHUNK_BYTES + 4096);
        let filled = self.fill(&mut out);
        self.has_ended |= filled.is_err();
        Some(filled.map(|()| Bytes::from(out)))
    }
}
