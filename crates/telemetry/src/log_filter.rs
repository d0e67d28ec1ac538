//! Which events become lines, changeable while running.

use std::sync::{Mutex, PoisonError};

use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{Filtered, LevelFilter};
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, reload};

use crate::log_layer::LogLayer;
use crate::logs::check_filter;

/// Puts a filter before a layer, and hands back what changes it.
pub(crate) fn filtered<S>(layer: LogLayer, filter: &str) -> (Filtered<LogLayer, LogFilter<S>, S>, Control)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let (initial, parsed) = match EnvFilter::try_new(filter) {
        Ok(parsed) => (filter, parsed),
        Err(_) => ("info", EnvFilter::new("info")),
    };
    let (events, handle) = reload::Layer::new(parsed);
    let swap = move |filter| handle.reload(filter).map_err(|error| error.to_string());
    let control = Control {
        swap: Box::new(swap),
        initial: initial.to_owned(),
        current: Mutex::new(initial.to_owned()),
    };
    (layer.with_filter(LogFilter { events }), control)
}

/// Changes a filter.
pub(crate) struct Control {
    swap: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
    /// The filter of the start.
    pub(crate) initial: String,
    current: Mutex<String>,
}

impl Control {
    /// The filter in force.
    pub(crate) fn filter(&self) -> String {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another filter in force.
    pub(crate) fn set(&self, filter: &str) -> Result<(), String> {
        check_filter(filter)?;
        let parsed = EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
        // Held to the end, so that what is said last is what holds.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        (self.swap)(parsed)?;
        tracing::info!(filter, before = *current, "log filter changed");
        filter.clone_into(&mut current);
        Ok(())
    }
}

/// The filter, and what is let through whatever it says.
pub(crate) struct LogFilter<S> {
    events: reload::Layer<EnvFilter, S>,
}

/// The spans of our own, so that a warning names its task although spans are of level info; and the line above, or
/// a log that fell silent would not say why.
fn always(metadata: &Metadata<'_>) -> bool {
    let span = metadata.is_span() && metadata.target().starts_with("distrack");
    *metadata.level() <= Level::INFO && (span || metadata.target() == module_path!())
}

impl<S> Filter<S> for LogFilter<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        always(metadata) || Filter::enabled(&self.events, metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked in any case: it is how the filter learns of a span that it has a directive for.
        let interest = Filter::callsite_enabled(&self.events, metadata);
        // Never *always*: then nobody would be asked when it happens, and what `tracing::enabled!` left behind on this
        // thread, when somebody asked about another callsite, would decide whether this one is seen.
        if always(metadata) || interest.is_always() { Interest::sometimes() } else { interest }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let hint = Filter::max_level_hint(&self.events)?;
        Some(hint.max(LevelFilter::INFO))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Filter::on_new_span(&self.events, attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Filter::on_record(&self.events, id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Filter::on_enter(&self.events, id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Filter::on_exit(&self.events, id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Filter::on_close(&self.events, id, context);
    }
}
