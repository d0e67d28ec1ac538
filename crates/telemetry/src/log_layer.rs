//! From an event to its log line: the event's own facts, and those of the spans around it that say what it is about.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use opentelemetry::trace::TraceContextExt;
use tracing::dispatcher::WeakDispatch;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{Extensions, LookupSpan};

use crate::clock;
use crate::log_format::{Head, Line, Reader, Style, Value};

/// The facts that a line takes from the spans around its event.
const INHERITED: [&str; 5] = ["trace_id", "span_id", "task_id", "attempt", "worker"];
const TRACE_ID: usize = 0;
const SPAN_ID: usize = 1;
const TASK_ID: usize = 2;
const ATTEMPT: usize = 3;

thread_local! {
    static LINE: Cell<Line> = Cell::default();
}

/// Writes a line for each event.
pub(crate) struct LogLayer {
    style: Style,
    /// Of events that come from no service's own code.
    role: Option<String>,
    sink: Box<dyn Fn(&str) + Send + Sync>,
    /// What this is a part of, and the exporter of spans with it.
    whole: OnceLock<WeakDispatch>,
}

impl LogLayer {
    /// `sink` gets each line whole, with its end.
    pub(crate) fn new(style: Style, role: &str, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let role = (!role.is_empty()).then(|| role.to_owned());
        Self { style, role, sink: Box::new(sink), whole: OnceLock::new() }
    }

    fn write<S>(&self, line: &mut Line, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut target = None;
        let mut said = Said::default();
        event.record(&mut Reader(|name: &'static str, value: &Value<'_>| match (name, value) {
            // Of events that came over the `log` crate.
            ("log.target", Value::Text(text)) => target = Some((*text).to_owned()),
            ("log.module_path" | "log.file" | "log.line", _) => {}
            (name, value) => {
                said.note(name);
                line.field(self.style, name.strip_prefix("r#").unwrap_or(name), value);
            }
        }));
        said.close();
        let target = target.as_deref().unwrap_or(event.metadata().target());
        let own = service(target);
        let mut around = None;
        for span in context.event_scope(event).into_iter().flatten() {
            around = around.or_else(|| service(span.metadata().target()));
            // Asked before the extensions are held, since it takes hold of them itself.
            let ids = if said.0[TRACE_ID] { None } else { self.exported(&span.id()) };
            said.inherit(line, self.style, &span.extensions(), ids.as_ref());
        }
        let known = own.map(|service| (service, true)).or_else(|| around.map(|service| (service, false)));
        let head = Head {
            timestamp: &timestamp(clock::now()),
            level: *event.metadata().level(),
            target,
            service: known.or_else(|| self.role.as_deref().map(|role| (role, false))),
        };
        (self.sink)(line.finish(self.style, &head));
    }

    /// The trace and the span that a `tracing` span is exported as, if it is: they win over its fields.
    fn exported(&self, id: &Id) -> Option<[String; 2]> {
        let context = tracing_opentelemetry::get_otel_context(id, &self.whole.get()?.upgrade()?)?;
        let span = context.span();
        let made = Some(span.span_context()).filter(|made| made.is_valid())?;
        Some([made.trace_id().to_string(), made.span_id().to_string()])
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, whole: &Dispatch) {
        let _ = self.whole.set(whole.downgrade());
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut facts = Facts::default();
        attributes.record(&mut Reader(|name: &'static str, value: &Value<'_>| facts.keep(name, value)));
        if let Some(span) = context.span(id).filter(|_| !facts.is_empty()) {
            span.extensions_mut().replace(facts);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut facts = span.extensions_mut().remove::<Facts>().unwrap_or_default();
        values.record(&mut Reader(|name: &'static str, value: &Value<'_>| facts.keep(name, value)));
        if !facts.is_empty() {
            span.extensions_mut().replace(facts);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // An event that is made while another one is written out finds an empty line here.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        line.clear();
        self.write(&mut line, event, &context);
        let _ = LINE.try_with(|kept| kept.set(line));
    }
}

/// The service whose code a target is.
fn service(target: &str) -> Option<&'static str> {
    match target.split("::").next()? {
        "distrack_scheduler" => Some("scheduler"),
        "distrack_coordinator" => Some("coordinator"),
        "distrack_worker" => Some("worker"),
        _ => None,
    }
}

fn timestamp(since_1970: Duration) -> String {
    let millis = i64::try_from(since_1970.as_millis()).ok();
    let at = millis.and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What a span says that its events inherit.
#[derive(Default)]
struct Facts([Option<Fact>; INHERITED.len()]);

struct Fact {
    text: String,
    bare: bool,
}

impl Facts {
    fn keep(&mut self, name: &str, value: &Value<'_>) {
        let Some(index) = INHERITED.iter().position(|fact| *fact == name) else { return };
        self.0[index] = Some(match value {
            Value::Bare(value) => Fact { text: value.to_string(), bare: true },
            Value::Text(text) => Fact { text: (*text).to_owned(), bare: false },
            Value::Shown(text) => Fact { text: text.to_string(), bare: false },
        });
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// Which of the inherited facts a line has. The nearest that says one is right.
#[derive(Default)]
struct Said([bool; INHERITED.len()]);

impl Said {
    fn note(&mut self, name: &str) {
        if let Some(index) = INHERITED.iter().position(|fact| *fact == name) {
            self.0[index] = true;
        }
    }

    /// A span id is of the trace that was said with it, an attempt of its task: no other one's may come after.
    fn close(&mut self) {
        self.0[SPAN_ID] |= self.0[TRACE_ID];
        self.0[ATTEMPT] |= self.0[TASK_ID];
    }

    fn inherit(&mut self, line: &mut Line, style: Style, of: &Extensions<'_>, ids: Option<&[String; 2]>) {
        let none = Facts::default();
        let facts = of.get::<Facts>().unwrap_or(&none);
        for (index, name) in INHERITED.into_iter().enumerate() {
            if self.0[index] {
                continue;
            }
            let id = ids.and_then(|ids| ids.get(index)).map(|id| Value::Text(id));
            let fact = facts.0[index].as_ref().map(|fact| match fact.bare {
                true => Value::Bare(&fact.text),
                false => Value::Text(&fact.text),
            });
            if let Some(value) = id.or(fact) {
                line.field(style, name, &value);
                self.0[index] = true;
            }
        }
        self.close();
    }
}

#[cfg(test)]
mod tests;
