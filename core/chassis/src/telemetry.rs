//! What a node says about itself while it runs: one line an event, for people or for machines.

use std::io;
use std::panic::PanicHookInfo;

use tracing::error;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt;

mod logfmt;

/// How a node logs.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[group(id = "log")]
pub struct Config {
    /// Least severe level to log: error, warn, info, debug or trace; or directives such as
    /// `info,ingester=debug`.
    #[arg(long = "log.level", default_value = "info", value_name = "LEVEL")]
    pub log_level: String,

    /// How a line is written.
    #[arg(
        long = "log.format",
        value_enum,
        default_value_t = Format::Logfmt,
        value_name = "FORMAT"
    )]
    pub log_format: Format,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `ts=… level=info msg="…" key=value`
    Logfmt,
    /// One JSON object.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not a level and not directives.
    #[error("--log.level={text}: {source}")]
    Level {
        /// What was given.
        text: String,
        /// Where it goes wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A process has one log; setting it up twice is a bug of the caller.
    #[error("logging is set up already: {0}")]
    Twice(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts logging to standard error, with panics as log lines. `quiet` are directives for libraries
/// (`hyper=warn`) that hold unless the level is given as directives.
///
/// # Errors
/// When the level cannot be read or logging was set up before.
pub fn init(config: &Config, quiet: &[&str]) -> Result<(), Error> {
    let filter = filter(&config.log_level, quiet)?;
    let subscriber = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    match config.log_format {
        Format::Logfmt => subscriber.event_format(logfmt::Logfmt).try_init(),
        Format::Json => subscriber.json().flatten_event(true).try_init(),
    }
    .map_err(Error::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn filter(level: &str, quiet: &[&str]) -> Result<EnvFilter, Error> {
    let in_error = |source| Error::Level { text: level.to_owned(), source };
    let is_directives = level.contains([',', '=']);
    let mut directives = level.to_owned();
    if !is_directives && !matches!(level, "trace" | "error" | "off") {
        for library in quiet {
            directives += &format!(",{library}");
        }
    }
    // A bare word that is no level would be taken as a target's name, and silence everything else.
    if !is_directives {
        level.parse::<tracing_subscriber::filter::LevelFilter>().map_err(|_| Error::Level {
            text: level.to_owned(),
            source: EnvFilter::builder()
                .parse(format!("all={level}"))
                .expect_err("a word that is no level is none as a directive's level either"),
        })?;
    }
    EnvFilter::builder().parse(directives).map_err(in_error)
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let said = panic.payload_as_str().unwrap_or("a panic without words");
    let thread = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    error!(thread = thread.name().unwrap_or("unnamed"), at, %backtrace, "panicked: {said}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_directives() {
        assert_eq!(filter("info", &["openraft=warn"]).unwrap().to_string(), "openraft=warn,info");
        assert_eq!(filter("warn,a=debug", &["b=warn"]).unwrap().to_string(), "a=debug,warn");
        let error = filter("loud", &[]).unwrap_err();
        assert!(error.to_string().starts_with("--log.level=loud: "), "{error}");
    }
}
