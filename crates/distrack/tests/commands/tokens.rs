//! Tokens by the released binary: how they are made, shown, used and revoked, and what does not start without.

use distrack_testkit::{Up, eventually};
use serde_json::Value;

use super::program::{Ended, LIMIT, PROGRAM, Running, run};

/// Runs a client command of words between blanks, with a token in its environment.
async fn ask(up: &Up, token: Option<&str>, line: &str) -> Ended {
    let server = format!("--server={}", up.api().base());
    let mut words: Vec<&str> = line.split(' ').collect();
    words.insert(1, &server);
    let with = |command: &mut std::process::Command| {
        token.map(|token| command.env("DISTRACK_TOKEN", token));
    };
    Running::start_with(&words, with).end().await
}

/// Runs `distrack token` on the database of `up`.
async fn token(up: &Up, line: &str) -> Ended {
    let data = format!("--data_dir={}", up.data_dir().display());
    let words: Vec<&str> = ["token"].into_iter().chain(line.split(' ')).chain([&*data]).collect();
    run(&words).await
}

async fn create(up: &Up, line: &str) -> String {
    let made = token(up, &format!("create {line}")).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let text = made.text();
    assert!(text.starts_with("dt_") && !text.contains(char::is_whitespace), "{made:?}");
    assert!(!made.stderr.contains(secret(&text)), "only standard output has it: {made:?}");
    text
}

fn secret(token: &str) -> &str {
    token.splitn(3, '_').last().unwrap()
}

fn id(token: &str) -> &str {
    token.split('_').nth(1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_made_used_within_its_scopes_listed_and_revoked_while_everything_runs() {
    let up = Up::start(PROGRAM, &["--auth=tokens", "--canary_interval=1s", "--log=debug"]).await.unwrap();
    let refused = ask(&up, None, "list").await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("DISTRACK_TOKEN") && refused.stderr.contains("--token_file"),
        "{refused:?}"
    );

    let ci = create(&up, "ci --scope=read,submit --expires=90d").await;
    let submitted = ask(&up, Some(&ci), "submit --delay=10m -- true").await;
    assert_eq!(submitted.code, Some(0), "{submitted:?}");
    let task = submitted.text();
    let cancelled = ask(&up, Some(&ci), &format!("cancel {task}")).await;
    assert_eq!(cancelled.code, Some(1), "{cancelled:?}");
    assert!(cancelled.stderr.contains("lacks the scope cancel"), "{cancelled:?}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let red = create(&up, "red --scope=admin --queues=red").await;
    std::fs::write(&file, format!("{red}\n")).unwrap();
    let by_file = format!("--token_file={}", file.display());
    let unseen = ask(&up, Some(&ci), &format!("status {by_file} {task}")).await;
    assert_eq!(unseen.code, Some(3), "the file's token is of another queue: {unseen:?}");
    let expired = create(&up, "old --scope=admin --expires=1ms").await;
    let refused = ask(&up, Some(&expired), "list").await;
    assert!(refused.stderr.contains("expired"), "{refused:?}");

    let listed = token(&up, "list").await;
    for part in ["ci", "read,submit", "good", "expired", "red", id(&ci)] {
        assert!(listed.text().contains(part), "{part} in {listed:?}");
    }
    let json = token(&up, "list -o json").await;
    let found: Vec<Value> = json.json()["tokens"].as_array().unwrap().clone();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[1]["queues"], serde_json::json!(["red"]));

    let gone = token(&up, &format!("revoke {}", id(&ci))).await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    eventually(LIMIT, "the revoked token is refused", || async {
        let refused = ask(&up, Some(&ci), "list").await;
        if refused.stderr.contains("revoked") { Ok(()) } else { Err(refused.stderr) }
    })
    .await;
    assert_eq!(token(&up, "revoke 0000000000000000").await.code, Some(3));

    // The scheduler's own tasks need no token.
    eventually(LIMIT, "a canary comes back", || async {
        let metrics = up.api().get("/metrics").await.unwrap().text();
        let came = metrics.lines().any(|line| {
            line.strip_prefix("distrack_canary_total{result=\"success\"} ").is_some_and(|count| count != "0")
        });
        if came { Ok(()) } else { Err(metrics) }
    })
    .await;
    let log = up.process().log();
    for secret in [&ci, &red, &expired].map(|token| secret(token)) {
        for (place, told) in [("list", listed.text()), ("list -o json", json.text()), ("log", log.clone())] {
            assert!(!told.contains(secret), "a secret in {place}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_listens_to_others_before_it_is_said_who_may_call() {
    let database = "--database_url=postgres://nobody@127.0.0.1:1/none";
    for role in [&["scheduler", database][..], &["up", "--data_dir=data"]] {
        for open in ["--scheduler_port=0.0.0.0:0", "--scheduler_port=[::]:0"] {
            let ended = run(&[role, &[open]].concat()).await;
            assert_eq!(ended.code, Some(2), "{ended:?}");
            for part in ["scheduler_port is ", "--auth=tokens", "--auth=local", "--insecure_no_auth"] {
                assert!(ended.stderr.contains(part), "{part} in {ended:?}");
            }
        }
    }
    let scheduler = Running::start(&["scheduler", database, "--scheduler_port=0.0.0.0:0", "--auth=local"]);
    scheduler.says("scheduler listens").await;
    assert!(!scheduler.stderr().contains("NO AUTHENTICATION"));
    let open = Running::start(&["scheduler", database, "--scheduler_port=0.0.0.0:0", "--insecure-no-auth"]);
    open.says("NO AUTHENTICATION").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_not_looked_for_where_no_database_is() {
    for (line, part) in [
        (&["token", "list", "--data_dir=nowhere"][..], "there is no database at"),
        (&["token", "list", "--database_url=postgres://nobody:secret@127.0.0.1:1/none"], "127.0.0.1:1"),
    ] {
        let ended = run(line).await;
        assert!(ended.code != Some(0) && ended.stderr.contains(part), "{part} in {ended:?}");
        assert!(!ended.stderr.contains("secret"), "{ended:?}");
    }
}
