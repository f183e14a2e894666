//! Reads the cases of `tests/badinput/*.txt`.
//!
//! ```text
//!  # W02 what is shown                        one case begins
//!  POST /api/v1/write                         method and path
//!  content-type: application/json             headers; without any, those of a Prometheus
//!  | series {a="1", b="\xff"} 1@1000 2@2000   a TimeSeries; `histogram`, `exemplar` add one of these
//!  | metadata 1 family help unit              a MetricMetadata
//!  | raw 0a ff                                bytes of the message, in hex
//!  > zeros 100                                instead of a message: so many zero bytes
//!  > bytes 00 ff                              … or these bytes, not compressed
//!  => 415 stored 0                            status, and samples stored afterwards
//!  expected application/x-protobuf …          the body, exactly; none for 204
//! ```
//!
//! A text may be repeated: `"x"*300`. `+65` stands for 65 labels `l00="v"` and so on.

use super::request::snappy;

#[derive(Debug, Default, Clone)]
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) status: u16,
    pub(crate) stored: usize,
    pub(crate) answer: String,
}

/// All cases of a file.
pub(crate) fn read(text: &str) -> Vec<Case> {
    text.split("\n# ").skip(1).map(one).collect()
}

fn one(text: &str) -> Case {
    let mut lines = text.lines();
    let mut case = Case { title: lines.next().unwrap_or_default().to_owned(), ..Case::default() };
    let (mut message, mut raw) = (Vec::new(), None);
    for line in lines.by_ref() {
        if let Some(expected) = line.strip_prefix("=> ") {
            let (status, stored) = expected.split_once(" stored ").expect("=> STATUS stored N");
            case.status = status.parse().expect("a status");
            case.stored = stored.parse().expect("a number of samples");
            break;
        } else if let Some(part) = line.strip_prefix("| ") {
            put_part(&mut message, part);
        } else if let Some(bytes) = line.strip_prefix("> ") {
            raw = Some(match bytes.split_once(' ') {
                Some(("zeros", n)) => vec![0; n.parse().expect("a number of zeros")],
                Some(("bytes", hex)) => unhex(hex),
                _ => Vec::new(),
            });
        } else if let Some((name, value)) = line.split_once(": ") {
            case.headers.push((name.to_owned(), value.to_owned()));
        } else if let Some((method, path)) = line.split_once(' ') {
            (case.method, case.path) = (method.to_owned(), path.to_owned());
        }
    }
    case.answer =
        lines.filter(|line| !line.is_empty()).fold(String::new(), |all, line| all + line + "\n");
    case.body = raw.unwrap_or_else(|| snappy(&message));
    if case.headers.is_empty() {
        for (name, value) in [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "0.1.0"),
        ] {
            case.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    case.headers.retain(|(_, value)| value != "(none)");
    case
}

fn put_part(message: &mut Vec<u8>, part: &str) {
    match part.split_once(' ') {
        Some(("raw", hex)) => message.extend(unhex(hex)),
        Some(("metadata", rest)) => {
            let mut words = rest.split(' ');
            let kind = words.next().unwrap_or_default().parse().expect("a kind");
            let mut metadata = vec![0x08, kind];
            for (tag, word) in [0x12, 0x22, 0x2a].into_iter().zip(words) {
                put(&mut metadata, tag, &text(word).0);
            }
            put(message, 0x1a, &metadata);
        }
        Some(("series", rest)) => put_series(message, rest),
        _ => unreachable!("unknown part: {part}"),
    }
}

fn put_series(message: &mut Vec<u8>, rest: &str) {
    let mut series = Vec::new();
    let (mut labels, samples) =
        rest.strip_prefix('{').and_then(|r| r.split_once('}')).expect("{…}");
    while !labels.is_empty() {
        labels = labels.trim_start_matches([',', ' ']);
        if let Some(n) = labels.strip_prefix('+') {
            for i in 0..n.parse().expect("a number of labels") {
                put_label(&mut series, format!("l{i:02}").as_bytes(), b"v");
            }
            break;
        }
        let (name, rest) = text(labels);
        let (value, rest) = text(rest.strip_prefix('=').expect("name=value"));
        put_label(&mut series, &name, &value);
        labels = rest;
    }
    for word in samples.split_whitespace() {
        match word {
            "histogram" => put(&mut series, 0x22, &[0x08, 1]),
            "exemplar" => put(&mut series, 0x1a, &[]),
            sample => {
                let (value, timestamp) = sample.split_once('@').expect("value@timestamp");
                let value: f64 = value.parse().expect("a value");
                let timestamp: i64 = timestamp.parse().expect("a timestamp");
                let mut sample = vec![0x09];
                sample.extend(value.to_le_bytes());
                sample.push(0x10);
                put_varint(&mut sample, timestamp.cast_unsigned());
                put(&mut series, 0x12, &sample);
            }
        }
    }
    put(message, 0x0a, &series);
}

fn put_label(series: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let mut label = Vec::new();
    put(&mut label, 0x0a, name);
    put(&mut label, 0x12, value);
    put(series, 0x0a, &label);
}

/// A word, or a text in quotes with `\xNN`, repeated by `*n`; and what follows it.
fn text(input: &str) -> (Vec<u8>, &str) {
    let Some(quoted) = input.strip_prefix('"') else {
        let end = input.find(['=', ',', ' ', '}']).unwrap_or(input.len());
        return (input.as_bytes()[..end].to_vec(), &input[end..]);
    };
    let (inside, mut rest) = quoted.split_once('"').expect("a closing quote");
    let mut bytes = Vec::new();
    for (i, part) in inside.split("\\x").enumerate() {
        let (escaped, plain) = part.split_at(if i > 0 { 2 } else { 0 });
        bytes.extend(unhex(escaped));
        bytes.extend(plain.as_bytes());
    }
    if let Some(times) = rest.strip_prefix('*') {
        let digits = times.find(|c: char| !c.is_ascii_digit()).unwrap_or(times.len());
        bytes = bytes.repeat(times[..digits].parse().expect("a number of times"));
        rest = &times[digits..];
    }
    (bytes, rest)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("a byte")).collect()
}

fn put(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend(bytes);
}

fn put_varint(out: &mut Vec<u8>, value: u64) {
    prost::encoding::encode_varint(value, out);
}
