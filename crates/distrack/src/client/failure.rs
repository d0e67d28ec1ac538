//! Why a client command did not do what it was asked for, and with which exit code it says so.

use std::io;

use serde_json::Value;

use super::output::plain;
use super::tls;
use crate::exits;
use crate::say::say;

/// Why a command ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to say.
    Said {
        /// The exit code.
        code: u8,
        /// For a person.
        text: String,
    },
    /// Nobody reads the output any more: nothing to say, and nobody to say it to.
    Unread,
}

impl Failure {
    /// A failure with words.
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self::Said { code, text: text.into() }
    }

    /// The exit code that it stands for.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Said { code, .. } => *code,
            Self::Unread => exits::OK,
        }
    }

    /// Says it; returns the exit code.
    pub(crate) fn say(&self) -> u8 {
        if let Self::Said { text, .. } = self {
            say(format_args!("distrack: {text}"));
        }
        self.code()
    }

    /// An answer of the scheduler that is no success.
    pub(crate) fn refused(status: reqwest::StatusCode, body: &[u8]) -> Self {
        let code = match status.as_u16() {
            404 => exits::NOT_FOUND,
            409 => exits::CONFLICT,
            400 | 422 => exits::USAGE,
            502..=504 => exits::UNREACHABLE,
            _ => exits::FAILED,
        };
        if body.starts_with(b"this port speaks HTTPS") {
            return Self::new(code, "the server speaks HTTPS: use https:// in --server");
        }
        let problem = serde_json::from_slice(body).unwrap_or(Value::Null);
        Self::new(code, explain(status, &problem))
    }

    /// No answer at all.
    pub(crate) fn unreachable(server: &str, error: &reqwest::Error) -> Self {
        let cause = root_cause(error);
        let text = if let Some(problem) = tls::problem(error) {
            format!("the scheduler at {server} cannot be talked to: {problem}")
        } else if error.is_timeout() {
            format!("the scheduler at {server} did not answer in time; what was asked for may have been done")
        } else if error.is_connect() {
            format!(
                "no scheduler answers at {server}: {cause}; start one with distrack up, or name one with --server"
            )
        } else {
            format!("the scheduler at {server} hung up: {cause}; what was asked for may have been done")
        };
        Self::new(exits::UNREACHABLE, text)
    }
}

/// Why a request got no answer, for a person.
pub(crate) fn reason(error: &reqwest::Error) -> String {
    tls::problem(error).unwrap_or_else(|| root_cause(error))
}

/// The innermost reason, which is the one that a person understands.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        Self::new(exits::FAILED, format!("the output cannot be written: {error}"))
    }
}

/// A problem document (RFC 9457) as a person reads it.
fn explain(status: reqwest::StatusCode, problem: &Value) -> String {
    let text = |name: &str| problem.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(title) = text("title") else {
        return format!("the server answered {status}, and not as a distrack scheduler does");
    };
    let mut said = plain(title);
    let errors = problem.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if let Some(detail) = text("detail").filter(|_| errors.is_empty()) {
        said.push_str(&format!(": {}", plain(detail)));
    }
    for error in errors {
        let part = |name| error.get(name).and_then(Value::as_str).unwrap_or("?");
        said.push_str(&format!("\n  {} {}", plain(part("field")), plain(part("message"))));
    }
    match status.as_u16() {
        401 => said.push_str("\n  set DISTRACK_TOKEN, or name a file that holds the token with --token_file"),
        403 if text("code") == Some("forbidden") => {
            said.push_str(
                "\n  distrack token list shows what a token is for; distrack token create makes another one",
            );
        }
        _ => {}
    }
    if status.is_server_error()
        && let Some(trace) = text("trace_id")
    {
        said.push_str(&format!(" (trace {})", plain(trace)));
    }
    said
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use serde_json::json;

    use super::*;

    fn said(status: u16, body: Value) -> (u8, String) {
        match Failure::refused(StatusCode::from_u16(status).unwrap(), body.to_string().as_bytes()) {
            Failure::Said { code, text } => (code, text),
            Failure::Unread => unreachable!(),
        }
    }

    #[test]
    fn a_problem_is_said_with_each_field_at_fault() {
        let errors =
            json!([{"field": "queue", "message": "must be short"}, {"field": "env", "message": "no"}]);
        let body = json!({"title": "A field is wrong", "detail": "two are", "errors": errors});
        assert_eq!(said(422, body), (2, "A field is wrong\n  queue must be short\n  env no".to_owned()));
    }

    #[test]
    fn each_kind_of_refusal_has_its_exit_code() {
        let code = |status| said(status, json!({"title": "x", "detail": "y"})).0;
        assert_eq!([400, 404, 409, 422, 500, 503].map(code), [2, 3, 5, 2, 1, 6]);
        assert_eq!(said(409, json!({"title": "x", "detail": "y", "errors": []})).1, "x: y");
    }

    #[test]
    fn an_answer_of_another_kind_of_server_is_not_taken_for_ours() {
        let (code, text) = said(418, json!("teapot"));
        assert_eq!(code, 1);
        assert!(text.contains("418"), "{text}");
    }
}
