//! A server that stores what it is sent and lies about it on demand: the other side of every test of
//! the checker. It knows remote write 1.0 and the two questions that `verify` asks, and nothing more.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use loadtest::query::{LabelMap, milliseconds, seconds};

const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// What is stored: for each series and timestamp, the bits of every copy.
pub(crate) type Samples = BTreeMap<LabelMap, BTreeMap<i64, Vec<u64>>>;

/// What the server knows, and how it behaves.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) samples: Samples,
    /// How many samples `count_over_time` counts beyond those that a query shows.
    pub(crate) hidden_copies: u64,
    /// How the next write requests are treated; those after them are stored and acked.
    pub(crate) treatment: Vec<Treatment>,
}

/// What becomes of one write request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Treatment {
    pub(crate) status: u16,
    pub(crate) is_stored: bool,
}

/// The server; its threads end with the test's process.
pub(crate) struct Liar {
    pub(crate) url: String,
    store: Arc<Mutex<Store>>,
}

// === impl Liar ===

impl Liar {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let store = Arc::new(Mutex::new(Store::default()));
        let shared = Arc::clone(&store);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let store = Arc::clone(&shared);
                thread::spawn(move || while serve(&stream, &store).is_some() {});
            }
        });
        Self { url, store }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no thread of the server panicked")
    }
}

/// Answers one request; none when the connection is over.
fn serve(mut stream: &TcpStream, store: &Mutex<Store>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut store = store.lock().ok()?;
    let (status, body) = match target.split_once('?') {
        Some((_, query)) => (200, store.answer(query)?),
        None => (store.write(&body), String::new()),
    };
    let head = format!("HTTP/1.1 {status} .\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).ok()
}

// === impl Store ===

impl Store {
    /// The samples of the n-th series whose name begins with `name`.
    pub(crate) fn series(&mut self, name: &str, n: usize) -> &mut BTreeMap<i64, Vec<u64>> {
        let mut found = self.samples.iter_mut().filter(|(l, _)| l["__name__"].starts_with(name));
        found.nth(n).expect("the load has such a series").1
    }

    fn write(&mut self, compressed: &[u8]) -> u16 {
        let stored = Treatment { status: 204, is_stored: true };
        let treatment = if self.treatment.is_empty() { stored } else { self.treatment.remove(0) };
        if treatment.is_stored {
            let body = snap::raw::Decoder::new().decompress_vec(compressed).expect("snappy");
            for (_, series) in fields(&body) {
                self.store_series(series);
            }
        }
        treatment.status
    }

    fn store_series(&mut self, series: &[u8]) {
        let (mut labels, mut samples) = (LabelMap::new(), Vec::new());
        for (field, bytes) in fields(series) {
            if field == 1 {
                let texts: Vec<_> =
                    fields(bytes).map(|(_, text)| String::from_utf8_lossy(text).into()).collect();
                let [name, value] = texts.try_into().expect("a label has a name and a value");
                labels.insert(name, value);
            } else {
                let (value, timestamp) = bytes[1..].split_at(8);
                let bits = u64::from_le_bytes(value.try_into().expect("eight bytes"));
                samples.push((varint(&mut &timestamp[1..]), bits));
            }
        }
        let own = self.samples.entry(labels).or_default();
        for (timestamp, bits) in samples {
            // A resend of the same bits is no second copy.
            let copies = own.entry(timestamp.cast_signed()).or_default();
            if !copies.contains(&bits) {
                copies.push(bits);
            }
        }
    }

    /// Answers `{…}[Nms]` and `sum(count_over_time({…,__name__!~…}[Nms]))`.
    fn answer(&self, query: &str) -> Option<String> {
        let query = unescape(query);
        let instance = query.split("instance=\"").nth(1)?.split('"').next()?;
        let range_ms: i64 = query.split('[').nth(1)?.split("ms]").next()?.parse().ok()?;
        let time_s: f64 = query.split("time=").nth(1)?.split('&').next()?.parse().ok()?;
        let end_ms = milliseconds(time_s);
        let is_count = query.contains("count_over_time");
        let (mut count, mut matrix) = (self.hidden_copies, Vec::new());
        for (labels, samples) in &self.samples {
            if labels["instance"] != instance
                || (is_count && labels["__name__"].starts_with("node_metric_"))
            {
                continue;
            }
            let inside = samples.range(end_ms - range_ms + 1..=end_ms);
            let all = inside.flat_map(|(t, copies)| copies.iter().map(move |bits| (*t, *bits)));
            let shown: Vec<_> = all.filter(|(_, bits)| *bits != STALE_BITS).collect();
            count += shown.len() as u64;
            if !shown.is_empty() {
                matrix.push(series_json(labels, &shown));
            }
        }
        let vector = [format!("{{\"metric\":{{}},\"value\":[{time_s},\"{count}\"]}}")];
        let result = if is_count { vector.join(",") } else { matrix.join(",") };
        Some(format!("{{\"status\":\"success\",\"data\":{{\"result\":[{result}]}}}}"))
    }
}

fn series_json(labels: &LabelMap, shown: &[(i64, u64)]) -> String {
    let value = |bits: u64| match f64::from_bits(bits) {
        value if value == f64::INFINITY => "+Inf".to_owned(),
        value => value.to_string(),
    };
    let mut json = format!("{{\"metric\":{},\"values\":[", serde_json::json!(labels));
    for (i, (t, bits)) in shown.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(json, "{comma}[{},\"{}\"]", seconds(*t), value(*bits));
    }
    json + "]}"
}

/// The length-delimited fields of a protobuf message.
fn fields(mut message: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, rest) = message.split_first()?;
        message = rest;
        let length = usize::try_from(varint(&mut message)).expect("a length");
        let (field, rest) = message.split_at(length);
        message = rest;
        Some((tag >> 3, field))
    })
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a varint ends");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    value
}

/// Percent-encoding and `+`, undone.
fn unescape(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().replace('+', " ").into_bytes();
    for part in parts {
        let (hex, plain) = part.split_at(2);
        out.push(u8::from_str_radix(hex, 16).expect("two hex digits"));
        out.extend(plain.replace('+', " ").as_bytes());
    }
    String::from_utf8(out).expect("UTF-8")
}
