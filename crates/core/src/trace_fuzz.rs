//! Any bytes as the headers of a trace.

use super::*;

#[test]
fn a_traceparent_is_read_or_no_context() {
    bolero::check!().for_each(|input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let (parent, state) = text.split_once('\n').unwrap_or((&text, ""));
        let Some(context) = TraceContext::parse(parent, Some(state)) else { return };
        // What was read is written so that everybody reads the same.
        let written = context.traceparent();
        assert_eq!(TraceContext::parse(&written, Some(&context.state)), Some(context));
        assert!(written.is_ascii() && written.len() == 55, "{written}");
    });
}
