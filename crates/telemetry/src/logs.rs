//! Structured logs: one line for each thing that happened, on standard error.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `Pretty` on a terminal, `Json` otherwise.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "json" => Ok(Self::Json),
            "pretty" => Ok(Self::Pretty),
            _ => Err("must be auto, json or pretty".to_owned()),
        }
    }
}

/// Checks a filter of the form `info,distrack_worker=debug`.
///
/// # Errors
/// Says what is wrong with it.
pub fn check_filter(filter: &str) -> Result<(), String> {
    let mut directives = filter.split(',').map(str::trim).filter(|piece| !piece.is_empty());
    if let Some(wrong) = directives.find(|piece| !is_level(piece) && !names_a_target(piece)) {
        return Err(format!(
            "'{}' is no level: must be off, error, warn, info, debug or trace, or TARGET=LEVEL",
            wrong.escape_debug()
        ));
    }
    EnvFilter::try_new(filter).map(|_| ()).map_err(|error| error.to_string())
}

fn is_level(piece: &str) -> bool {
    piece.parse::<LevelFilter>().is_ok()
}

/// Whether a directive is of a target or a span for sure. A word alone would be taken for a target as well,
/// and a mistyped level for one that logs nothing.
fn names_a_target(piece: &str) -> bool {
    piece.contains(['=', '[']) || piece.contains("::")
}

/// Sends this process's logs to standard error. The first call wins; later ones change nothing.
pub fn init(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A line that cannot be written would be complained of on the same standard error, by a panic.
        .log_internal_errors(false);
    let pretty = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Pretty => true,
    };
    // A second initialisation in one process (tests) is no error worth stopping for.
    let _ = if pretty {
        builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_and_not_taken_for_a_target_that_silences_all_else() {
        for wrong in ["verbose", "info,verbose", "distrack_worker", "INFOO", "info,x=verbose"] {
            assert!(check_filter(wrong).is_err(), "{wrong}");
        }
        assert!(check_filter("warn, verbose").unwrap_err().starts_with("'verbose' is no level"));
    }

    #[test]
    fn levels_targets_and_spans_are_filters() {
        for right in [
            "info",
            "WARN",
            "off",
            "info,distrack_worker=debug",
            "distrack_worker::run",
            "info,distrack_store[step{a=1}]=trace",
            "[step]",
            "",
        ] {
            assert_eq!(check_filter(right), Ok(()), "{right}");
        }
    }
}
