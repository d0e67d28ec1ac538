//! How one log line is written: a JSON object for machines, or the same facts for people.

use std::fmt::{self, Display, Write};

use tracing::Level;
use tracing::field::{Field, Visit};

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty {
        /// Whether the terminal shows colours.
        colour: bool,
    },
}

/// What every line says first.
pub(crate) struct Head<'a> {
    pub(crate) timestamp: &'a str,
    pub(crate) level: Level,
    pub(crate) target: &'a str,
    /// The service, and whether the target says so already.
    pub(crate) service: Option<(&'a str, bool)>,
}

/// A line while its facts are gathered. Kept from line to line for its room.
#[derive(Default)]
pub(crate) struct Line {
    message: String,
    fields: String,
    out: String,
}

impl Line {
    /// Forgets the line before, and most of the room of an extraordinary one.
    pub(crate) fn clear(&mut self) {
        for text in [&mut self.message, &mut self.fields, &mut self.out] {
            text.clear();
            text.shrink_to(16 * 1024);
        }
    }

    /// A fact of the event.
    pub(crate) fn field(&mut self, style: Style, name: &str, value: &Value<'_>) {
        match (style, name) {
            (_, "message") => value.write(style, true, &mut self.message),
            (Style::Json, name) => {
                // The first four are the line's own.
                let taken = ["timestamp", "level", "target", "service"].contains(&name);
                let _ = write!(self.fields, ",\"{}", if taken { "field." } else { "" });
                json(&mut self.fields, name);
                self.fields.push_str("\":");
                value.write(style, false, &mut self.fields);
            }
            (Style::Pretty { colour }, name) => {
                let (dim, plain) = if colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
                let _ = write!(self.fields, " {dim}{name}={plain}");
                value.write(style, false, &mut self.fields);
            }
        }
    }

    /// The whole line, with its end.
    pub(crate) fn finish(&mut self, style: Style, head: &Head<'_>) -> &str {
        match style {
            Style::Json => self.finish_json(head),
            Style::Pretty { colour } => self.finish_pretty(head, colour),
        }
        self.out.push('\n');
        &self.out
    }

    fn finish_json(&mut self, head: &Head<'_>) {
        let Self { message, fields, out } = self;
        let _ = write!(out, "{{\"timestamp\":\"{}\",\"level\":\"{}\"", head.timestamp, head.level);
        if let Some((service, _)) = head.service {
            out.push_str(",\"service\":");
            Value::Text(service).write(Style::Json, false, out);
        }
        out.push_str(",\"target\":");
        Value::Text(head.target).write(Style::Json, false, out);
        // Written with its quotes, unless the event has none.
        let _ = write!(out, ",\"message\":{}{fields}}}", if message.is_empty() { "\"\"" } else { message });
    }

    fn finish_pretty(&mut self, head: &Head<'_>, colour: bool) {
        if let Some((service, false)) = head.service {
            self.field(Style::Pretty { colour }, "service", &Value::Text(service));
        }
        let Self { message, fields, out } = self;
        let (dim, plain) = if colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let level = match head.level {
            _ if !colour => "",
            Level::ERROR => "\x1b[31m",
            Level::WARN => "\x1b[33m",
            Level::INFO => "\x1b[32m",
            Level::DEBUG => "\x1b[34m",
            Level::TRACE => "\x1b[35m",
        };
        let _ = write!(
            out,
            "{dim}{}{plain} {level}{:>5}{plain} {dim}{}:{plain} {message}{fields}",
            head.timestamp, head.level, head.target
        );
    }
}

/// The value of a field, as the two styles tell them apart.
pub(crate) enum Value<'a> {
    /// What JSON writes without quotes: numbers and truth.
    Bare(&'a dyn Display),
    /// A text.
    Text(&'a str),
    /// What is a text once it is written.
    Shown(fmt::Arguments<'a>),
}

impl Value<'_> {
    /// Writes it. A text that is meant to be read as such (`message`) has no quotes for people.
    fn write(&self, style: Style, prose: bool, out: &mut String) {
        match (self, style) {
            (Self::Bare(value), _) => {
                let _ = write!(out, "{value}");
            }
            (Self::Text(text), Style::Json) => {
                out.push('"');
                json(out, text);
                out.push('"');
            }
            (Self::Shown(text), Style::Json) => {
                out.push('"');
                let _ = Escaped { out, escape: json }.write_fmt(*text);
                out.push('"');
            }
            (Self::Text(text), Style::Pretty { .. }) if prose || is_word(text) => printable(out, text),
            (Self::Text(text), Style::Pretty { .. }) => {
                let _ = write!(out, "{text:?}");
            }
            (Self::Shown(text), Style::Pretty { .. }) => {
                let _ = Escaped { out, escape: printable }.write_fmt(*text);
            }
        }
    }
}

/// Whether a text needs no quotes to be told from what stands around it.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| !letter.is_whitespace() && letter != '"' && letter != '=')
}

/// Escapes what is written through it.
struct Escaped<'a> {
    out: &'a mut String,
    escape: fn(&mut String, &str),
}

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.escape)(self.out, text);
        Ok(())
    }
}

/// The inside of a JSON string (RFC 8259 §7).
fn json(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
}

/// Keeps a line one line, and the terminal under nobody else's command.
fn printable(out: &mut String, text: &str) {
    for letter in text.chars() {
        if letter.is_control() { out.extend(letter.escape_default()) } else { out.push(letter) }
    }
}

/// Reads the fields of an event or a span, one after another.
pub(crate) struct Reader<F>(pub(crate) F);

impl<F: FnMut(&'static str, &Value<'_>)> Visit for Reader<F> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for what is no number.
        if value.is_finite() {
            (self.0)(field.name(), &Value::Bare(&value));
        } else {
            (self.0)(field.name(), &Value::Shown(format_args!("{value}")));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        (self.0)(field.name(), &Value::Bare(&value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        (self.0)(field.name(), &Value::Bare(&value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        (self.0)(field.name(), &Value::Bare(&value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        (self.0)(field.name(), &Value::Bare(&value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        (self.0)(field.name(), &Value::Bare(&value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        (self.0)(field.name(), &Value::Text(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        (self.0)(field.name(), &Value::Shown(format_args!("{value:?}")));
    }
}
