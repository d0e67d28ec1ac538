//! What the services log, line by line.

use std::io::{self, Write};
use std::sync::{Mutex, Once};

use serde_json::Value;

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is logged from now on, for all tests of this process.
pub(crate) fn keep() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        let kept = tracing_subscriber::fmt().json().flatten_event(true).with_writer(|| Lines);
        kept.with_max_level(tracing_subscriber::filter::LevelFilter::INFO).init();
    });
}

/// The lines about a trace.
pub(crate) fn about(trace_id: &str) -> Vec<Value> {
    lines(|line| line["span"]["trace_id"] == trace_id)
}

/// The lines that are such.
pub(crate) fn lines(such: impl Fn(&Value) -> bool) -> Vec<Value> {
    let lines = LINES.lock().unwrap();
    let lines =
        lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    lines.filter(such).collect()
}
