//! The W3C trace context that a task carries from its submission into each attempt.

use std::fmt;
use std::str::FromStr;

/// A trace id: 16 random bytes, never all zero. Never a UUID, whose fixed bits defeat ratio sampling.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A span id: 8 random bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

macro_rules! hex_id {
    ($name:ident, $bytes:literal) => {
        impl $name {
            /// Draws a random id.
            pub fn random() -> Self {
                loop {
                    let bytes: [u8; $bytes] = rand::random();
                    if bytes != [0; $bytes] {
                        return Self(bytes);
                    }
                }
            }

            /// Its bytes.
            pub fn to_bytes(self) -> [u8; $bytes] {
                self.0
            }

            /// The id of these bytes; all zero is no id.
            pub fn from_bytes(bytes: [u8; $bytes]) -> Option<Self> {
                (bytes != [0; $bytes]).then_some(Self(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ();

            /// Reads lower-case hex of the exact length; all zero is no id.
            fn from_str(text: &str) -> Result<Self, ()> {
                let mut bytes = [0; $bytes];
                read_hex(text, &mut bytes)?;
                if bytes == [0; $bytes] { Err(()) } else { Ok(Self(bytes)) }
            }
        }
    };
}

hex_id!(TraceId, 16);
hex_id!(SpanId, 8);

impl SpanId {
    /// The id of a second span that goes with this one: whoever knows one knows the other.
    #[must_use]
    pub fn paired(self) -> Self {
        // Of all ids one has no complement, and keeps to itself.
        Self::from_bytes(self.0.map(|byte| !byte)).unwrap_or(self)
    }
}

fn read_hex(text: &str, bytes: &mut [u8]) -> Result<(), ()> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(()),
    };
    let text = text.as_bytes();
    if text.len() != bytes.len() * 2 {
        return Err(());
    }
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(())
}

/// The longest `tracestate` that is kept, in bytes; a longer one is dropped.
pub const MAX_TRACESTATE: usize = 512;

/// A position in a trace: what `traceparent` and `tracestate` say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span within it.
    pub span_id: SpanId,
    /// The flags byte; bit 0 is *sampled*.
    pub flags: u8,
    /// The vendors' list, as it came; empty when there was none.
    pub state: String,
}

impl TraceContext {
    /// Starts a new, sampled trace.
    pub fn root() -> Self {
        Self { trace_id: TraceId::random(), span_id: SpanId::random(), flags: 1, state: String::new() }
    }

    /// A new span in the same trace.
    pub fn child(&self) -> Self {
        Self { span_id: SpanId::random(), ..self.clone() }
    }

    /// Reads the two headers. A malformed `traceparent` is no context, never an error (W3C Trace Context §3.2);
    /// a malformed or over-long `tracestate` is dropped alone.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let mut byte = [0];
        read_hex(version, &mut byte).ok()?;
        // Version 00 has four fields; a later one may add more; ff is forbidden.
        if byte[0] == 0xff || (byte[0] == 0 && parts.next().is_some()) {
            return None;
        }
        read_hex(flags, &mut byte).ok()?;
        let state = tracestate.map(str::trim).filter(|text| {
            text.len() <= MAX_TRACESTATE && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        });
        Some(Self {
            trace_id: trace.parse().ok()?,
            span_id: span.parse().ok()?,
            flags: byte[0],
            state: state.unwrap_or_default().to_owned(),
        })
    }

    /// Whether its spans are recorded.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The `traceparent` header.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, self.flags)
    }
}

/// How an attempt's trace belongs to its submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TraceMode {
    /// The attempt's spans are in the submission's trace, below it.
    Child,
    /// The attempt has a trace of its own, linked to the submission and to the attempt before.
    Link,
}

impl TraceMode {
    /// The number that both stores keep.
    pub fn code(self) -> i16 {
        match self {
            Self::Child => 0,
            Self::Link => 1,
        }
    }

    /// The mode of a stored number, if it is one.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Child, Self::Link].into_iter().find(|mode| mode.code() == code)
    }

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Child => "child",
            Self::Link => "link",
        }
    }
}

/// Which mode attempts get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TracePolicy {
    /// [`TraceMode::Child`] for a first attempt that is claimed within 15 minutes of its submission,
    /// [`TraceMode::Link`] for every other: no trace grows for days.
    #[default]
    Auto,
    /// Always this one.
    Always(TraceMode),
}

impl TracePolicy {
    /// The number that both stores' `claim` takes.
    pub fn code(self) -> i16 {
        match self {
            Self::Auto => -1,
            Self::Always(mode) => mode.code(),
        }
    }
}

impl FromStr for TracePolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "child" => Ok(Self::Always(TraceMode::Child)),
            "link" => Ok(Self::Always(TraceMode::Link)),
            _ => Err("must be auto, child or link".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_comes_back_as_it_was() {
        let context = TraceContext::parse(GOOD, Some("a=b")).unwrap();
        assert_eq!(context.traceparent(), GOOD);
        assert_eq!(context.state, "a=b");
        assert_eq!(
            TraceContext::parse(&context.child().traceparent(), None).unwrap().trace_id,
            context.trace_id
        );
    }

    #[test]
    fn a_malformed_traceparent_is_ignored() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(bad, None), None, "{bad}");
        }
        let long = "a".repeat(MAX_TRACESTATE + 1);
        assert_eq!(TraceContext::parse(GOOD, Some(&long)).unwrap().state, "");
    }

    proptest! {
        #[test]
        fn no_header_panics(parent in ".*", state in ".*") {
            let _ = TraceContext::parse(&parent, Some(&state));
        }
    }
}

#[cfg(test)]
#[path = "trace_fuzz.rs"]
mod fuzz;
