//! Secrets go where they are meant to go and nowhere else: those of tasks to their commands, those of services to
//! nobody. Everything that a fleet says while it logs and traces all there is, is searched for them.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::path::Path;
use std::time::Duration;

use distrack_testkit::reqwest::Method;
use distrack_testkit::{Answer, Collector, Fleet, Launch, Process, TestDatabase, eventually, free_port};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const LIMIT: Duration = Duration::from_secs(60);

/// Of a task.
const TASKS: &str = "canary-of-a-task-3b1f";
/// Of `printf %s canary-of-a-task-3b1f | sha256sum`: shows that the command has it, without showing it.
const TASKS_SHA256: &str = "a42fc8ba3f184a172634535f72495b23146506947d00303eef8eb1421f90d8a1";
/// Of the services, by variables that are theirs and one that is another program's.
const SERVICES: [(&str, &str); 2] = [
    ("POSTGRES_PASSWORD", "canary-of-a-service-77aa"),
    ("AWS_SECRET_ACCESS_KEY", "canary-of-a-service-88bb"),
];

/// Whether a text has a secret.
fn tells(text: &[u8]) -> Option<&'static str> {
    let all = [TASKS, SERVICES[0].1, SERVICES[1].1];
    all.into_iter().find(|secret| text.windows(secret.len()).any(|part| part == secret.as_bytes()))
}

/// Every file below `folder`, by its name and with what is in it.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path.display().to_string(), bytes));
        }
    }
}

/// The command lines of all processes that can be seen.
fn command_lines() -> Vec<Vec<u8>> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_reaches_its_command_and_nobody_else() {
    let database = TestDatabase::create().await;
    let collector = Collector::start().await.unwrap();
    let mut builder = Fleet::builder(PROGRAM, database.url())
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .variable("DISTRACK_LOG", "trace")
        .worker_flag("--trace_command=true");
    for (name, value) in SERVICES {
        builder = builder.variable(name, value);
    }
    let fleet = builder.start().await.unwrap();
    let api = fleet.api();
    let mut answers: Vec<Answer> = Vec::new();

    // While it runs, its command line is looked at.
    let gate = fleet.worker(0).folder().join("gate");
    let command = format!(
        "printf %s \"$CANARY\" | sha256sum; env | cut -d= -f1 | sort; while [ ! -e {} ]; do sleep 0.05; done",
        gate.display()
    );
    let task = |program: Value, more: Value| {
        let mut task = json!({"env_secret": {"CANARY": TASKS}, "timeout": "60s"});
        for part in [program, more] {
            part.as_object().unwrap().iter().for_each(|(key, value)| task[key] = value.clone());
        }
        task
    };
    let bodies = [
        task(json!({"command": command}), json!({})),
        task(
            json!({"command": "exit 3"}),
            json!({"max_attempts": 2, "backoff": {"initial": 0.01, "max": 0.01}}),
        ),
        task(json!({"argv": ["no-such-program"]}), json!({})),
        task(json!({"argv": ["/etc/passwd"]}), json!({})),
        task(json!({"command": "true"}), json!({"cwd": "/no/such/folder"})),
        task(json!({"command": "sleep 60"}), json!({"timeout": "100ms"})),
        task(json!({"command": "true"}), json!({"executor": "noop"})),
        task(json!({"command": "true"}), json!({"requires": {"no": "worker"}})),
    ];
    let mut ids = Vec::new();
    for body in &bodies {
        let answer = api.post("/v1/tasks", body).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        ids.push(answer.json()["task_id"].as_str().unwrap().to_owned());
        answers.push(answer);
    }
    // Refused in each way.
    for secrets in [json!(TASKS), json!({"A": [TASKS]}), json!({"A=": TASKS}), json!({"PATH": TASKS})] {
        let body = json!({"command": "x", "env_secret": secrets});
        answers.push(api.post("/v1/tasks", &body).await.unwrap());
        answers.push(api.post("/v1/tasks/batch", &json!({"tasks": [body]})).await.unwrap());
    }
    eventually(LIMIT, "the command runs", || async {
        (api.task(&ids[0]).await.ok()?["state"] == "running").then_some(())
    })
    .await;
    for line in command_lines() {
        assert_eq!(tells(&line), None, "{}", String::from_utf8_lossy(&line));
    }
    std::fs::write(&gate, "").unwrap();
    for id in &ids[..7] {
        api.wait_terminal(id, LIMIT).await;
    }
    let output = api.output(&ids[0]).await.unwrap();
    let printed = output["stdout"]["head"].as_str().unwrap();
    assert!(printed.starts_with(TASKS_SHA256), "{printed}");
    let names: Vec<&str> = printed.lines().skip(1).collect();
    assert!(names.contains(&"CANARY"), "{names:?}");
    for (name, _) in SERVICES {
        assert!(!names.contains(&name), "{names:?}");
    }

    answers.push(api.send(api.request(Method::POST, &format!("/v1/tasks/{}/cancel", ids[7]))).await.unwrap());
    answers.push(api.send(api.request(Method::POST, &format!("/v1/tasks/{}/retry", ids[2]))).await.unwrap());
    let again = answers.last().unwrap().json()["task_id"].as_str().unwrap().to_owned();
    assert_eq!(api.wait_terminal(&again, LIMIT).await["env_secret"], json!(["CANARY"]));
    for id in &ids {
        for part in ["", "/output", "/output?stream=stdout", "/attempts", "/why", "/trace"] {
            answers.push(api.get(&format!("/v1/tasks/{id}{part}")).await.unwrap());
        }
    }
    for path in ["/v1/tasks", "/v1/workers", "/v1/queues", "/v1/audit", "/readyz", "/openapi.json"] {
        answers.push(api.get(path).await.unwrap());
    }
    for member in fleet.members() {
        answers.push(member.admin().get("/metrics").await.unwrap());
    }
    for answer in &answers {
        assert_eq!(tells(&answer.bytes), None, "{}", answer.text());
    }
    eventually(LIMIT, "the spans are there", || async {
        let spans = collector.spans();
        let ended = spans.iter().filter(|span| span.name.starts_with("finish")).count();
        if ended >= 9 { Ok(()) } else { Err(format!("{ended} of 9")) }
    })
    .await;
    let spans = collector.spans();
    assert!(spans.iter().any(|span| format!("{span:?}").contains("exit 3")), "commands are traced");
    for span in spans {
        assert_eq!(tells(format!("{span:?}").as_bytes()), None, "{span:?}");
    }
    let mut kept = Vec::new();
    for member in fleet.members() {
        files(member.folder(), &mut kept);
        let log = member.process().log();
        assert!(log.contains("DEBUG"), "all there is was logged: {}", member.process().log_tail());
        kept.push((member.process().name().to_owned(), log.into_bytes()));
    }
    assert!(kept.iter().any(|(name, _)| name.contains("/output/")), "output was kept");
    assert!(kept.iter().any(|(name, _)| name.ends_with("/reports")), "results were spooled");
    for (name, bytes) in kept {
        assert_eq!(tells(name.as_bytes()).or(tells(&bytes)), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_a_database_that_does_not_answer_is_said_by_nobody() {
    const PASSWORD: &str = "canary-of-a-database-99cc";
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut launch = Launch::new(
        "scheduler",
        PROGRAM,
        &["scheduler", &format!("--scheduler_port=:{port}")],
        folder.path(),
    );
    // Nobody listens there.
    let url = format!("postgres://me:{PASSWORD}@127.0.0.1:{}/none", free_port());
    launch.variables =
        vec![("DISTRACK_DATABASE_URL".to_owned(), url), ("DISTRACK_LOG".to_owned(), "trace".to_owned())];
    let scheduler = Process::start(launch).unwrap();
    scheduler.wait_for_log("scheduler listens", LIMIT).await;
    let api = distrack_testkit::Api::new(format!("http://127.0.0.1:{port}"));
    for path in ["/readyz", "/v1/tasks", "/metrics"] {
        let answer = api.get(path).await.unwrap();
        assert!(!answer.text().contains(PASSWORD), "{}", answer.text());
    }
    let refused = api.post("/v1/tasks", &json!({"command": "x"})).await.unwrap();
    assert!(refused.status == 503 && !refused.text().contains(PASSWORD), "{}", refused.text());
    let log = scheduler.log();
    assert!(log.contains("scheduler is not ready") && !log.contains(PASSWORD), "{log}");
    let line = std::fs::read(format!("/proc/{}/cmdline", scheduler.pid().unwrap())).unwrap();
    assert!(!String::from_utf8_lossy(&line).contains(PASSWORD));
}
