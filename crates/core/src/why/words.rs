//! How durations, instants, counts and causes are said.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::outcome::{Cause, Outcome};

/// A duration as a person says it: `12 ms`, `0.3 s`, `41 s`, `12 min`, `2 h 5 min`, `11 h`, `3 days`.
pub fn span(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let (millis, seconds) = (duration.as_millis(), duration.as_secs());
    match seconds {
        0 if millis == 0 => "under 1 ms".to_owned(),
        0 if millis < 100 => format!("{millis} ms"),
        0..10 => tenths(millis),
        10..120 => format!("{seconds} s"),
        _ if seconds >= 2 * DAY => format!("{} days", seconds / DAY),
        _ if seconds >= 10 * HOUR || seconds.is_multiple_of(HOUR) => format!("{} h", seconds / HOUR),
        _ if seconds >= 2 * HOUR => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
        _ => format!("{} min", seconds / MINUTE),
    }
}

/// `3 s` and `3.2 s`; what is left of a tenth is left out.
fn tenths(millis: u128) -> String {
    match (millis / 1000, millis / 100 % 10) {
        (seconds, 0) => format!("{seconds} s"),
        (seconds, tenth) => format!("{seconds}.{tenth} s"),
    }
}

/// An instant, to the second.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `1 worker`, `2 workers`, `10,000 workers`.
pub fn count(number: u32, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number with commas.
pub fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let mut text = digits[..head].to_owned();
    for (at, digit) in digits[head..].chars().enumerate() {
        if at % 3 == 0 && !text.is_empty() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// ` on w1`, or nothing.
pub(super) fn on(worker: Option<&str>) -> String {
    worker.map(|worker| format!(" on {worker}")).unwrap_or_default()
}

/// How an attempt ended, as a noun.
pub(super) fn cause(outcome: &Outcome, timeout: Duration) -> String {
    let code =
        || outcome.exit_code.map_or_else(|| "an exit code".to_owned(), |code| format!("exit code {code}"));
    match outcome.cause {
        None => "success".to_owned(),
        Some(Cause::ExitCode) => code(),
        Some(Cause::Signal) => outcome.signal.map_or_else(|| "a signal".to_owned(), signal),
        Some(Cause::Timeout) => format!("its {} timeout", span(timeout)),
        Some(Cause::Cancelled) => "a cancel".to_owned(),
        Some(Cause::SpawnFailed) => "a command that could not be started".to_owned(),
        Some(Cause::WorkerLost) => "the loss of its worker".to_owned(),
        Some(Cause::OutputLimit) => "more output than a worker keeps".to_owned(),
        Some(Cause::Oom) => "a kill by the kernel when memory ran out".to_owned(),
        Some(Cause::Interrupted) => match &outcome.error {
            Some(error) => format!("an interruption ({error})"),
            None => "an interruption".to_owned(),
        },
    }
}

/// A signal with its name.
pub(super) fn signal(number: i32) -> String {
    let name = match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return format!("signal {number}"),
    };
    format!("signal {number} ({name})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_a_person_says_them() {
        let said = |millis| span(Duration::from_millis(millis));
        assert_eq!(
            [0, 1, 99, 100, 340, 999].map(said),
            ["under 1 ms", "1 ms", "99 ms", "0.1 s", "0.3 s", "0.9 s"]
        );
        assert_eq!([1000, 3200, 9999, 10_000, 119_999].map(said), ["1 s", "3.2 s", "9.9 s", "10 s", "119 s"]);
        let said = |seconds: u64| said(seconds * 1000);
        assert_eq!([120, 750, 3600, 5400, 7200].map(said), ["2 min", "12 min", "1 h", "90 min", "2 h"]);
        assert_eq!([10_740, 17_999, 36_000].map(said), ["2 h 59 min", "4 h 59 min", "10 h"]);
        assert_eq!([47 * 3600, 48 * 3600, 30 * 86400].map(said), ["47 h", "2 days", "30 days"]);
    }

    #[test]
    fn counts_have_their_noun_and_commas() {
        let said = |number| count(number, "task", "tasks");
        assert_eq!([0, 1, 312, 1000].map(said), ["0 tasks", "1 task", "312 tasks", "1,000 tasks"]);
        assert_eq!([10_000, 1_234_567].map(grouped), ["10,000", "1,234,567"]);
    }
}
