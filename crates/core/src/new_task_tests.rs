use proptest::prelude::*;

use super::*;

fn parse(draft: TaskDraft) -> Result<NewTask, Vec<FieldError>> {
    NewTask::parse(draft, TaskId::new(), TraceContext::root())
}

fn echo() -> TaskDraft {
    TaskDraft { command: Some("echo hello".to_owned()), ..TaskDraft::default() }
}

/// The fields that a draft is refused for.
fn refused(draft: TaskDraft) -> Vec<String> {
    parse(draft).expect_err("must be refused").into_iter().map(|error| error.field).collect()
}

fn map(entries: usize, key: usize, value: usize) -> BTreeMap<String, String> {
    (0..entries).map(|n| (format!("{n:0>key$}"), "v".repeat(value))).collect()
}

fn one(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

fn secrets(texts: BTreeMap<String, String>) -> BTreeMap<String, Secret> {
    texts.into_iter().map(|(name, text)| (name, Secret::new(text))).collect()
}

#[test]
fn a_command_alone_gets_the_defaults() {
    let task = parse(echo()).unwrap();
    assert_eq!(task.queue.as_str(), "default");
    assert_eq!(task.due, Due::After(Duration::ZERO));
    assert_eq!(task.spec.timeout(), Duration::from_secs(3600));
    assert_eq!(task.policy.max_attempts, 1);
    assert_eq!(task.policy.on_lost, OnLost::Retry);
}

#[test]
fn a_delay_is_honoured_to_the_millisecond() {
    let task = parse(TaskDraft { delay_seconds: Some(1.2345), ..echo() }).unwrap();
    assert_eq!(task.due, Due::After(Duration::from_millis(1235)));
}

#[test]
fn one_bound_of_the_backoff_makes_room_for_the_other() {
    let bounds = |initial: Option<u64>, max: Option<u64>| {
        let (backoff_initial, backoff_max) =
            (initial.map(Duration::from_millis), max.map(Duration::from_millis));
        let backoff = parse(TaskDraft { backoff_initial, backoff_max, ..echo() }).unwrap().policy.backoff;
        (backoff.initial.as_millis(), backoff.max.as_millis())
    };
    assert_eq!(bounds(None, None), (1000, 300_000));
    assert_eq!(bounds(None, Some(500)), (500, 500));
    assert_eq!(bounds(None, Some(5000)), (1000, 5000));
    assert_eq!(bounds(Some(500), None), (500, 300_000));
    assert_eq!(bounds(Some(600_000), None), (600_000, 600_000));
}

#[test]
fn every_field_at_fault_is_named_at_once() {
    let draft = TaskDraft { priority: Some(101), queue: Some("Not OK".to_owned()), ..TaskDraft::default() };
    assert_eq!(refused(draft), ["command", "queue", "priority"]);
}

#[test]
fn limits_hold_at_their_edges() {
    let good = [
        TaskDraft { command: Some("x".repeat(MAX_COMMAND)), ..echo() },
        TaskDraft { command: None, argv: Some(vec!["x".to_owned(); MAX_ARGV]), ..echo() },
        TaskDraft { env: map(MAX_ENV, 8, 8), ..echo() },
        TaskDraft { env_secret: secrets(map(MAX_ENV, 8, 8)), env: one("b", ""), ..echo() },
        TaskDraft { labels: map(MAX_LABELS, 63, 256), ..echo() },
        TaskDraft { delay_seconds: Some(MAX_DELAY.as_secs_f64()), ..echo() },
        TaskDraft { timeout: Some(Duration::from_millis(1)), ..echo() },
        TaskDraft { timeout: Some(MAX_TIMEOUT), ..echo() },
        TaskDraft { max_attempts: Some(100), priority: Some(-100), ..echo() },
        TaskDraft { queue: Some("a".repeat(63)), ..echo() },
        TaskDraft { cwd: Some(format!("/{}", "x".repeat(4095))), ..echo() },
        TaskDraft { backoff_max: Some(MAX_TIMEOUT), ..echo() },
        TaskDraft { backoff_initial: Some(MAX_TIMEOUT), ..echo() },
    ];
    for draft in good {
        assert!(parse(draft.clone()).is_ok(), "{draft:?}");
    }
    let bad = [
        ("command", TaskDraft { command: Some(String::new()), ..echo() }),
        ("command", TaskDraft { command: Some("a\0b".to_owned()), ..echo() }),
        ("command", TaskDraft { command: Some("x".repeat(MAX_COMMAND + 1)), ..echo() }),
        ("argv", TaskDraft { argv: Some(vec!["x".to_owned()]), ..echo() }),
        ("argv", TaskDraft { command: None, argv: Some(vec![]), ..echo() }),
        ("argv", TaskDraft { command: None, argv: Some(vec!["x".to_owned(); MAX_ARGV + 1]), ..echo() }),
        ("argv[1]", TaskDraft { command: None, argv: Some(vec!["x".to_owned(), "\0".to_owned()]), ..echo() }),
        ("argv[0]", TaskDraft { command: None, argv: Some(vec![String::new()]), ..echo() }),
        ("env", TaskDraft { env: map(MAX_ENV + 1, 8, 8), ..echo() }),
        ("env", TaskDraft { env: map(2, 8, MAX_ENV_BYTES), ..echo() }),
        ("env.A=B", TaskDraft { env: BTreeMap::from([("A=B".to_owned(), String::new())]), ..echo() }),
        ("env_secret", TaskDraft { env_secret: secrets(map(MAX_ENV + 1, 8, 8)), ..echo() }),
        ("env_secret", TaskDraft { env_secret: secrets(map(2, 8, MAX_ENV_BYTES)), ..echo() }),
        ("env_secret.A=B", TaskDraft { env_secret: secrets(one("A=B", "")), ..echo() }),
        ("env_secret.", TaskDraft { env_secret: secrets(one("", "x")), ..echo() }),
        ("env_secret.A", TaskDraft { env_secret: secrets(one("A", "\0")), ..echo() }),
        ("env_secret.PATH", TaskDraft { env_secret: secrets(one("PATH", "/bin")), ..echo() }),
        ("env_secret.A", TaskDraft { env_secret: secrets(one("A", "x")), env: one("A", "x"), ..echo() }),
        ("labels", TaskDraft { labels: map(MAX_LABELS + 1, 8, 8), ..echo() }),
        ("requires", TaskDraft { requires: map(MAX_LABELS + 1, 8, 8), ..echo() }),
        ("delay_seconds", TaskDraft { delay_seconds: Some(-0.001), ..echo() }),
        ("delay_seconds", TaskDraft { delay_seconds: Some(f64::NAN), ..echo() }),
        ("delay_seconds", TaskDraft { delay_seconds: Some(MAX_DELAY.as_secs_f64() + 1.0), ..echo() }),
        ("scheduled_at", TaskDraft { scheduled_at: Some(DateTime::<Utc>::MAX_UTC), ..echo() }),
        (
            "scheduled_at",
            TaskDraft { scheduled_at: Some(DateTime::UNIX_EPOCH), delay_seconds: Some(1.0), ..echo() },
        ),
        ("timeout", TaskDraft { timeout: Some(Duration::ZERO), ..echo() }),
        ("timeout", TaskDraft { timeout: Some(MAX_TIMEOUT + Duration::from_millis(1)), ..echo() }),
        ("max_attempts", TaskDraft { max_attempts: Some(0), ..echo() }),
        ("max_attempts", TaskDraft { max_attempts: Some(101), ..echo() }),
        ("priority", TaskDraft { priority: Some(-101), ..echo() }),
        ("queue", TaskDraft { queue: Some("a".repeat(64)), ..echo() }),
        ("queue", TaskDraft { queue: Some("-a".to_owned()), ..echo() }),
        ("env.A\\u{0}", TaskDraft { env: BTreeMap::from([("A\0".to_owned(), String::new())]), ..echo() }),
        ("env.A", TaskDraft { env: BTreeMap::from([("A".to_owned(), "\0".to_owned())]), ..echo() }),
        (
            "labels.k\\u{0}",
            TaskDraft { labels: BTreeMap::from([("k\0".to_owned(), String::new())]), ..echo() },
        ),
        ("labels.k", TaskDraft { labels: BTreeMap::from([("k".to_owned(), "\0".to_owned())]), ..echo() }),
        ("cwd", TaskDraft { cwd: Some("relative".to_owned()), ..echo() }),
        ("cwd", TaskDraft { cwd: Some(format!("/{}", "x".repeat(4096))), ..echo() }),
        ("cwd", TaskDraft { cwd: Some("/a\0".to_owned()), ..echo() }),
        ("backoff", TaskDraft { backoff_max: Some(MAX_TIMEOUT + Duration::from_millis(1)), ..echo() }),
        ("backoff", TaskDraft { backoff_initial: Some(MAX_TIMEOUT + Duration::from_millis(1)), ..echo() }),
        (
            "backoff",
            TaskDraft {
                backoff_initial: Some(Duration::from_secs(2)),
                backoff_max: Some(Duration::from_secs(1)),
                ..echo()
            },
        ),
    ];
    for (field, draft) in bad {
        assert_eq!(refused(draft), [field]);
    }
    let long_key = BTreeMap::from([("k".repeat(64), String::new())]);
    let long_value = BTreeMap::from([("k".to_owned(), "v".repeat(257))]);
    assert_eq!(refused(TaskDraft { labels: long_key, ..echo() }).len(), 1);
    assert_eq!(refused(TaskDraft { labels: long_value, ..echo() }).len(), 1);
}

#[test]
fn a_spec_comes_back_from_its_stored_form() {
    let env_secret = secrets(one("TOKEN", "hunter2"));
    let draft = TaskDraft { cwd: Some("/tmp".to_owned()), env: map(2, 2, 2), env_secret, ..echo() };
    let task = parse(draft).unwrap();
    assert!(!format!("{task:?}").contains("hunter2"));
    let stored = serde_json::to_string(&task.spec).unwrap();
    assert_eq!(serde_json::from_str::<TaskSpec>(&stored).unwrap(), task.spec);
}

#[test]
fn a_spec_that_cannot_be_read_tells_no_secret() {
    for secrets in [r#""hunter2""#, r#"{"TOKEN":["hunter2"]}"#, r#"{"TOKEN":202020}"#, "[202020]"] {
        let stored = format!(r#"{{"command":"x","timeout_ms":1,"env_secret":{secrets}}}"#);
        let error = serde_json::from_str::<TaskSpec>(&stored).unwrap_err().to_string();
        assert!(
            error.contains("secrets must be") && !error.contains("hunter2") && !error.contains("2020"),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn no_draft_panics(command in proptest::option::of(".{0,40}"), delay in proptest::option::of(any::<f64>()),
        priority in proptest::option::of(any::<i32>()), queue in proptest::option::of(".{0,70}"),
        key in ".{0,70}", value in ".{0,300}", timeout in proptest::option::of(any::<u64>()), attempts in proptest::option::of(any::<u32>())) {
        let entry = BTreeMap::from([(key, value)]);
        let draft = TaskDraft {
            command, delay_seconds: delay, priority, queue, env: entry.clone(), labels: entry,
            timeout: timeout.map(Duration::from_millis), max_attempts: attempts, ..TaskDraft::default()
        };
        if let Ok(task) = parse(draft) {
            prop_assert!(PRIORITIES.contains(&i32::from(task.priority)));
            prop_assert!((1..=MAX_ATTEMPTS).contains(&task.policy.max_attempts));
        }
    }
}
