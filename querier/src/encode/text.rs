//! Strings as JSON: only what must be escaped is.

/// What stands for a byte that cannot stand in a JSON string; 0 for the others.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        escapes[control] = b'u';
        control += 1;
    }
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes[b'\n' as usize] = b'n';
    escapes[b'\r' as usize] = b'r';
    escapes[b'\t' as usize] = b't';
    escapes
};

/// Writes `text` in quotes.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(*byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'0', b'0', HEX[high], HEX[low]]);
        }
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

/// Writes a list of strings.
pub(crate) fn put_strings<'a>(out: &mut Vec<u8>, texts: impl IntoIterator<Item = &'a str>) {
    out.push(b'[');
    for (i, text) in texts.into_iter().enumerate() {
        super::put_comma(out, i);
        put_string(out, text);
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn string(text: &str) -> String {
        let mut out = vec![];
        put_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_must_be_escaped_is() {
        assert_eq!(
            string("a\"b\\c\n\r\t\u{1}\u{7f}<é>"),
            "\"a\\\"b\\\\c\\n\\r\\t\\u0001\u{7f}<é>\""
        );
        let mut out = vec![];
        put_strings(&mut out, ["a", "b"]);
        assert_eq!(out, br#"["a","b"]"#);
    }

    proptest! {
        #[test]
        fn strings_come_back(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }
    }
}
