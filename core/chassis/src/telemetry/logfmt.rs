//! Log lines as `key=value` pairs, the form Prometheus and Grafana's tools read.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `ts`, `level`, `target`, `msg`, then the event's fields in their order.
#[derive(Debug)]
pub(super) struct Logfmt;

/// Writes fields as they come; remembers the first failure, since a visit cannot return one.
struct Pairs<'a, 'w> {
    writer: &'a mut Writer<'w>,
    result: fmt::Result,
    is_message: bool,
}

// === impl Logfmt ===

impl<S, N> FormatEvent<S, N> for Logfmt
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        writer.write_str("ts=")?;
        SystemTime.format_time(&mut writer)?;
        let level = metadata.level().as_str().to_ascii_lowercase();
        write!(writer, " level={level} target={}", metadata.target())?;
        // The message first: it is what a person looks for.
        for is_message in [true, false] {
            let mut pairs = Pairs { writer: &mut writer, result: Ok(()), is_message };
            event.record(&mut pairs);
            pairs.result?;
        }
        writeln!(writer)
    }
}

// === impl Pairs ===

impl Visit for Pairs<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_message = field.name() == "message";
        if is_message != self.is_message || self.result.is_err() {
            return;
        }
        let key = if is_message { "msg" } else { field.name() };
        self.result = write!(self.writer, " {key}=").and_then(|()| write_value(self.writer, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

/// A value as it is, or quoted where it would not read back as one.
fn write_value(writer: &mut impl Write, value: &str) -> fmt::Result {
    let needs_quotes =
        value.is_empty() || value.chars().any(|c| c <= ' ' || matches!(c, '"' | '=' | '\u{7f}'));
    if !needs_quotes {
        return writer.write_str(value);
    }
    writer.write_char('"')?;
    for c in value.chars() {
        match c {
            '"' => writer.write_str("\\\"")?,
            '\\' => writer.write_str("\\\\")?,
            '\n' => writer.write_str("\\n")?,
            '\t' => writer.write_str("\\t")?,
            c if c.is_control() => write!(writer, "\\u{:04x}", u32::from(c))?,
            c => writer.write_char(c)?,
        }
    }
    writer.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        let mut written = String::new();
        write_value(&mut written, value).unwrap();
        assert_eq!(written, expected);
    }

    #[test]
    fn values_are_quoted_only_where_they_must_be() {
        check("plain", "plain");
        check("/a/b:1", "/a/b:1");
        check("", r#""""#);
        check("two words", r#""two words""#);
        check("a=b", r#""a=b""#);
        check("say \"hi\"\n", r#""say \"hi\"\n""#);
        check("\u{1}", r#""\u0001""#);
    }
}
