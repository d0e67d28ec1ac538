//! A fleet whose services know each other by a token and by certificates, made as a user makes them.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use distrack_testkit::{Fleet, Launch, Process, TestDatabase};

const PROGRAM: &str = env!("CARGO_BIN_EXE_distrack");
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_with_certificates_and_a_token_runs_tasks_and_lets_no_stranger_join() {
    let database = TestDatabase::create().await;
    let fleet =
        Fleet::builder(PROGRAM, database.url()).coordinators(2).workers(2).secured().start().await.unwrap();
    let api = fleet.api();
    for _ in 0..4 {
        let accepted = api.schedule("echo hello", 0.1).await.unwrap();
        let id = accepted["task_id"].as_str().unwrap();
        assert_eq!(api.wait_terminal(id, LIMIT).await["state"], "completed");
    }

    // A worker without credentials is refused, and told why.
    let folder = tempfile::tempdir().unwrap();
    let coordinator = format!("--coordinator={}", fleet.coordinator(0).address());
    let stranger = Process::start(Launch {
        name: "stranger".to_owned(),
        program: PROGRAM.into(),
        arguments: ["worker", "--worker_port=:0", "--metrics_port=:0", "--state_dir=state", &coordinator]
            .map(Into::into)
            .into(),
        variables: Vec::new(),
        folder: folder.path().to_owned(),
        log_file: folder.path().join("log"),
    })
    .unwrap();
    distrack_testkit::eventually(LIMIT, "the stranger to be refused", || async {
        if stranger.log_tail().contains("registration failed") { Ok(()) } else { Err(stranger.log_tail()) }
    })
    .await;
    assert_eq!(api.workers().await.unwrap()["workers"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_is_made_once_and_its_keys_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let process = Process::start(Launch {
            name: "cert".to_owned(),
            program: PROGRAM.into(),
            arguments: ["cert"].iter().chain(arguments).map(Into::into).collect(),
            variables: Vec::new(),
            folder: folder.path().to_owned(),
            log_file: folder.path().join("log"),
        })
        .unwrap();
        (process.wait(LIMIT).await.code(), process.log_tail())
    };
    assert_eq!(run(&["issue", "worker"]).await.0, Some(1), "there is no authority yet");
    assert_eq!(run(&["init"]).await.0, Some(0));
    assert_eq!(run(&["init"]).await.0, Some(1), "it would make all certificates worthless");
    assert_eq!(
        run(&["issue", "worker", "--host=w.example.org", "--host=192.0.2.7", "--days=30"]).await.0,
        Some(0)
    );
    assert_eq!(run(&["issue", "worker", "--host=not a name"]).await.0, Some(2));
    assert_eq!(run(&["issue", "client"]).await.0, Some(2));
    let dir = folder.path().join("distrack-certs");
    for key in ["ca.key", "worker.key"] {
        let mode = std::fs::metadata(dir.join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let (code, said) = run(&["show", "distrack-certs/worker.pem"]).await;
    assert_eq!(code, Some(0), "{said}");
    for part in [
        "worker.distrack, localhost, 127.0.0.1, ::1, w.example.org, 192.0.2.7",
        " days left)",
        "distrack authority",
    ] {
        assert!(said.contains(part), "{part} in: {said}");
    }
}
