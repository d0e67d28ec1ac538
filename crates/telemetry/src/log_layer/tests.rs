//! What a line says, for people and for machines.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{error, info, info_span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use super::*;
use crate::log_filter::filtered;
use crate::logs::SpanLayer;

const COLOURLESS: Style = Style::Pretty { colour: false };

type Said = Arc<Mutex<String>>;

fn layer(style: Style) -> (LogLayer, Said) {
    let said = Said::default();
    let sink = Arc::clone(&said);
    (LogLayer::new(style, "the-role", move |line| sink.lock().unwrap().push_str(line)), said)
}

fn lines(style: Style, log: impl FnOnce()) -> Vec<String> {
    let (layer, said) = layer(style);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    let said = said.lock().unwrap();
    assert!(said.is_empty() || said.ends_with('\n'), "{said}");
    said.lines().map(str::to_owned).collect()
}

fn only<T>(all: Vec<T>) -> T {
    let [one] = <[T; 1]>::try_from(all).unwrap_or_else(|all| panic!("{} lines", all.len()));
    one
}

fn json_line(log: impl FnOnce()) -> Value {
    serde_json::from_str(&only(lines(Style::Json, log))).unwrap()
}

fn without_time(mut line: Value) -> Value {
    let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
    let timestamp = timestamp.as_str().unwrap();
    let bytes = timestamp.as_bytes();
    assert!(timestamp.len() == 24 && bytes[19] == b'.' && bytes[23] == b'Z', "{timestamp}");
    assert!(DateTime::parse_from_rfc3339(timestamp).is_ok(), "{timestamp}");
    line
}

#[test]
fn a_json_line_has_its_facts_at_the_top() {
    let line = json_line(|| {
        warn!(
            target: "distrack_worker::run",
            task_id = %"t1", attempt = 2, ratio = 0.5, big = u64::MAX, ok = true, name = "x", list = ?["a"],
            "it {}", "happened"
        );
    });
    let expected = json!({
        "level": "WARN", "service": "worker", "target": "distrack_worker::run", "message": "it happened",
        "task_id": "t1", "attempt": 2, "ratio": 0.5, "big": u64::MAX, "ok": true, "name": "x", "list": "[\"a\"]",
    });
    assert_eq!(without_time(line), expected);
}

#[test]
fn any_text_can_be_read_back_from_json() {
    let text = "\"quoted\" \\ \u{0}\u{1b}[31m\r\n\t\u{7f}\u{85} ✓ 𝄞";
    let line = json_line(|| info!(plain = text, shown = %text, "{text}"));
    for field in ["plain", "shown", "message"] {
        assert_eq!(line[field], text, "{field}");
    }
}

#[test]
fn what_json_has_no_word_for_is_a_text() {
    let line = json_line(|| info!(none = f64::NAN, most = f64::INFINITY, huge = 1e300, i = i128::MIN));
    assert_eq!((&line["none"], &line["most"], &line["message"]), (&json!("NaN"), &json!("inf"), &json!("")));
    assert_eq!(line["huge"], json!(1e300));
}

#[test]
fn a_field_cannot_pass_for_the_line_s_own() {
    let text = only(lines(Style::Json, || info!(level = "none", service = "mine", target = 1, "x")));
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&line["level"], &line["service"]), (&json!("INFO"), &json!("the-role")));
    assert_eq!((&line["field.level"], &line["field.service"]), (&json!("none"), &json!("mine")));
    assert_eq!(text.matches("\"level\"").count(), 1, "{text}");
}

#[test]
fn a_line_says_what_the_spans_around_it_are_about() {
    let line = json_line(|| {
        let outer = info_span!(target: "distrack_coordinator", "o", worker = "w1", task_id = "t1", attempt = 3, other = 1);
        let _outer = outer.enter();
        let inner = info_span!("i", trace_id = Empty, span_id = Empty);
        let _inner = inner.enter();
        inner.record("trace_id", "aa").record("span_id", "bb");
        info!(target: "distrack_store", "x");
    });
    let expected = json!({
        "level": "INFO", "service": "coordinator", "target": "distrack_store", "message": "x",
        "worker": "w1", "task_id": "t1", "attempt": 3, "trace_id": "aa", "span_id": "bb",
    });
    assert_eq!(without_time(line), expected);
}

#[test]
fn the_nearest_fact_is_right_and_what_belongs_to_a_farther_one_stays_away() {
    let line = json_line(|| {
        let _outer =
            info_span!("o", task_id = "t1", attempt = 3, trace_id = "aa", span_id = "bb", worker = "w1")
                .entered();
        let _inner = info_span!("i", worker = "w2").entered();
        info!(task_id = "t2", trace_id = "cc", "x");
    });
    assert_eq!(
        (&line["task_id"], &line["trace_id"], &line["worker"]),
        (&json!("t2"), &json!("cc"), &json!("w2"))
    );
    assert_eq!((line.get("attempt"), line.get("span_id")), (None, None), "{line}");
}

#[test]
fn a_span_that_is_exported_is_named_by_its_own_ids() {
    let (layer, said) = layer(Style::Json);
    let provider = SdkTracerProvider::builder().build();
    // As the binary puts it together.
    let spans = tracing_opentelemetry::layer::<Registry>().with_tracer(provider.tracer("t"));
    let spans: Option<SpanLayer> = Some(spans.with_filter(LevelFilter::INFO).boxed());
    let (layer, _control) = filtered(layer, "info");
    let ids =
        tracing::subscriber::with_default(tracing_subscriber::registry().with(spans).with(layer), || {
            let _outer = info_span!("o", task_id = "t1").entered();
            let _inner = info_span!("i", trace_id = "stale", span_id = "stale").entered();
            info!("x");
            let context = tracing::Span::current().context();
            let made = context.span().span_context().clone();
            [made.trace_id().to_string(), made.span_id().to_string()]
        });
    let line: Value = serde_json::from_str(said.lock().unwrap().trim()).unwrap();
    assert_eq!([&line["trace_id"], &line["span_id"]], [&json!(ids[0]), &json!(ids[1])]);
    assert_eq!(line["task_id"], "t1");
}

#[test]
fn a_line_for_people_says_the_same_in_one_line() {
    let line = only(lines(COLOURLESS, || {
        let _span = info_span!("s", task_id = "t1", attempt = 3).entered();
        error!(target: "distrack_worker::run", name = "two words", word = "one", n = 1, "it\nhappened\u{1b}[31m");
    }));
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(DateTime::parse_from_rfc3339(time).is_ok(), "{line}");
    assert_eq!(
        rest,
        "ERROR distrack_worker::run: it\\nhappened\\u{1b}[31m name=\"two words\" word=one n=1 task_id=t1 attempt=3"
    );
    let line = only(lines(COLOURLESS, || info!(target: "distrack", "x")));
    assert!(line.ends_with("  INFO distrack: x service=the-role"), "{line}");
}

#[test]
fn only_a_terminal_is_sent_colours() {
    let log = || info!(a = 1, "x");
    assert!(!only(lines(COLOURLESS, log)).contains('\u{1b}'));
    let coloured = only(lines(Style::Pretty { colour: true }, log));
    assert!(coloured.contains("\u{1b}[32m INFO\u{1b}[0m"), "{coloured:?}");
}

#[test]
fn a_warning_names_its_task_although_only_warnings_are_logged() {
    let (layer, said) = layer(Style::Json);
    let (filtered, control) = filtered(layer, "warn");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(filtered), || {
        let _span = info_span!(target: "distrack_worker", "s", task_id = "t1").entered();
        // Spans of others obey the filter: this one says nothing of what is below it. (Whether it is made at all also
        // depends on the subscribers of other threads.)
        let _theirs = info_span!(target: "h2", "theirs", task_id = "t2").entered();
        info!("not this");
        warn!("this");
    });
    let line: Value = serde_json::from_str(said.lock().unwrap().trim()).unwrap();
    assert_eq!((&line["message"], &line["task_id"]), (&json!("this"), &json!("t1")));
    assert_eq!(control.filter(), "warn");
}

#[test]
fn a_line_is_written_although_somebody_asked_in_vain_whether_another_would_be() {
    let (layer, said) = layer(Style::Json);
    let (layer, _) = filtered(layer, "info");
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..2 {
            // What a library asks before it puts a costly line together.
            let _ = tracing::enabled!(target: "sqlx::query", tracing::Level::DEBUG);
            info!("said");
        }
    });
    assert_eq!(said.lock().unwrap().lines().count(), 2);
}
