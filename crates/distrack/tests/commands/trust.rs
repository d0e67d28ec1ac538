//! No service that others can reach starts without a way to know who they are.

use distrack_testkit::{Api, eventually, free_port};

use super::program::{LIMIT, Running, run};

const WORKER: [&str; 4] = ["worker", "--worker_port=:0", "--state_dir=state", "--coordinator=localhost:1"];
const COORDINATOR: [&str; 3] =
    ["coordinator", "--coordinator_port=:0", "--database_url=postgres://nobody@127.0.0.1:1/none"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_can_reach_does_not_start_without_credentials_and_says_what_to_do() {
    for (role, port) in [(&WORKER[..], "worker_port"), (&COORDINATOR[..], "coordinator_port")] {
        for open in ["--bind=0.0.0.0", "--bind=::", "--bind=some-host", &format!("--{port}=192.0.2.1:0")] {
            let ended = run(&[role, &["--metrics_port=127.0.0.1:0", open]].concat()).await;
            assert_eq!(ended.code, Some(2), "{open}: {ended:?}");
            for part in
                [port, "--cluster_token_file", "DISTRACK_CLUSTER_TOKEN", "--tls_cert", "--insecure_no_auth"]
            {
                assert!(ended.stderr.contains(part), "{part} in {ended:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_can_reach_starts_with_a_token() {
    let open = [&WORKER[..], &["--bind=0.0.0.0", "--metrics_port=127.0.0.1:0"]].concat();
    let worker = Running::start_with(&open, |command| {
        command.env("DISTRACK_CLUSTER_TOKEN", "a-secret-of-this-cluster");
    });
    worker.says("worker starts").await;
    assert!(!worker.stderr().contains("a-secret-of"), "{}", worker.stderr());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_asks_nobody_says_so_in_its_log_and_where_it_is_asked_how_it_is() {
    let port = free_port();
    let metrics = format!("--metrics_port=127.0.0.1:{port}");
    let worker = Running::start(&[&WORKER[..], &["--bind=0.0.0.0", "--insecure_no_auth", &metrics]].concat());
    worker.says("NO AUTHENTICATION").await;
    let api = Api::new(format!("http://127.0.0.1:{port}"));
    eventually(LIMIT, "the remark", || async {
        let said = api.get("/readyz").await.map(|answer| answer.text()).unwrap_or_default();
        if said.contains("--insecure_no_auth is set") { Ok(()) } else { Err(said) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_none_is_never_taken_for_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let flag = format!("--cluster_token_file={}", file.display());
    let refused = async |flags: &[&str], part: &str| {
        let ended = run(&[&WORKER[..], &["--metrics_port=:0"], flags].concat()).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains(part), "{part} in {ended:?}");
    };
    refused(&[&flag], "No such file").await;
    for (wrong, part) in [
        ("", "no token"),
        (" \n \n", "no token"),
        ("short", "at least 16"),
        ("two words of a token", "spaces"),
    ] {
        std::fs::write(&file, wrong).unwrap();
        refused(&[&flag], part).await;
    }
    refused(&["--tls_cert=c.pem"], "tls_key and tls_ca is missing").await;
    refused(&["--tls_cert=c", "--tls_key=k", "--tls_ca=a"], "No such file").await;
}
