//! Structured logs: one line for each thing that happened, on standard error.

use std::io::{IsTerminal, Write};
use std::str::FromStr;
use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::log_filter::{Control, filtered};
use crate::log_format::Style;
use crate::log_layer::LogLayer;

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

impl LogFormat {
    fn style(self) -> Style {
        let terminal = std::io::stderr().is_terminal();
        match self {
            Self::Auto if !terminal => Style::Json,
            Self::Json => Style::Json,
            Self::Auto | Self::Pretty => Style::Pretty { colour: terminal },
        }
    }
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

/// A layer that sees every span and event beside the logs, filtered by itself: the exporter of spans.
pub type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Sends this process's logs to standard error. The first call wins; later ones change nothing.
pub fn init(format: LogFormat, filter: &str) {
    init_as("", format, filter, None);
}

/// The same for a process of this role, which is the `service` of lines that no service's own code says, and with
/// an exporter of spans.
pub fn init_as(role: &str, format: LogFormat, filter: &str, spans: Option<SpanLayer>) {
    let style = format.style();
    let (logs, handle) = filtered(LogLayer::new(style, role, to_standard_error), filter);
    // A second initialisation in one process (tests) is no error worth stopping for.
    if tracing_subscriber::registry().with(spans).with(logs).try_init().is_ok() {
        let _ = CONTROL.set(handle);
    }
}

/// The filter in force; none before [`init`].
pub fn filter() -> Option<String> {
    CONTROL.get().map(Control::filter)
}

/// Changes the filter while running, and says so in the log.
///
/// # Errors
/// Says what is wrong with it, as [`check_filter`] does; then nothing has changed.
pub fn set_filter(filter: &str) -> Result<(), String> {
    let control = CONTROL.get().ok_or_else(|| "this process has set up no logs".to_owned())?;
    control.set(filter)
}

/// Goes back to the filter of the start, and hands it back; none before [`init`].
pub fn restore_filter() -> Option<String> {
    let control = CONTROL.get()?;
    control.set(&control.initial).ok()?;
    Some(control.initial.clone())
}

static CONTROL: OnceLock<Control> = OnceLock::new();

/// A line that cannot be written is lost: there is nowhere to complain.
fn to_standard_error(line: &str) {
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
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
