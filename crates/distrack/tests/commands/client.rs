//! The client commands against a real scheduler: what they print, and the exit codes that scripts go by.

use distrack_testkit::{Up, free_port};

use super::program::{LIMIT, PROGRAM, ask, run, submit};

const NOBODY: &str = "0197f3c2-5f3e-7a60-8a11-2b6f7c1d9e00";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submitted_command_can_be_looked_at_listed_and_read() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let id = submit(&up, &["--label=n=1"], r"printf 'a\000\377b'; echo no >&2").await;
    up.api().wait_terminal(&id, LIMIT).await;

    let status = ask(&up, &format!("status {id}")).await;
    let shown = status.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("state completed"), "{status:?}");
    assert_eq!(ask(&up, &format!("status -o json {id}")).await.json()["task_id"], id.as_str());
    let logs = ask(&up, &format!("logs {id}")).await;
    assert_eq!((logs.stdout.as_slice(), logs.stderr.as_str()), (&b"a\0\xffb"[..], "no\n"));
    let logs = ask(&up, &format!("logs --follow --stream=stderr {id}")).await;
    assert_eq!((logs.stdout.as_slice(), logs.stderr.as_str()), (&b""[..], "no\n"));

    let second = submit(&up, &["--delay=10m"], "true").await;
    let list = ask(&up, "list").await;
    assert!(list.text().contains(&id) && list.text().contains(&second), "{list:?}");
    assert_eq!(list.stderr, "");
    let list = ask(&up, "list --limit=1").await;
    assert!(list.text().contains(&second) && !list.text().contains(&id), "{list:?}");
    assert!(list.stderr.contains("--limit=N shows more"), "{list:?}");
    let list = ask(&up, "list --label=n=1 --state=completed -o json").await.json();
    assert_eq!((list["tasks"].as_array().unwrap().len(), &list["tasks"][0]["task_id"]), (1, &id.into()));

    let workers = ask(&up, "workers").await;
    assert!(workers.text().contains("worker-1") && workers.text().contains("alive"), "{workers:?}");
    assert_eq!(ask(&up, "workers -o json").await.json()["workers"][0]["name"], "worker-1");
    let queues = ask(&up, "queues").await;
    assert!(queues.text().contains("default"), "{queues:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_task_is_cancelled_and_tried_again_as_a_new_one() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let id = submit(&up, &["--delay=10m"], "true").await;
    assert_eq!(ask(&up, &format!("cancel {id}")).await.text(), format!("{id} cancelled"));
    let again = ask(&up, &format!("retry {id}")).await.text();
    assert_ne!(again, id);
    assert_eq!(up.api().task(&again).await.unwrap()["retry_of"], id.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_keeps_no_other_task_from_being_cancelled() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let done = submit(&up, &[], "true").await;
    up.api().wait_terminal(&done, LIMIT).await;
    let waiting = submit(&up, &["--delay=10m"], "true").await;
    let cancelled = ask(&up, &format!("cancel {done} {NOBODY} {waiting}")).await;
    assert_eq!(cancelled.code, Some(3), "{cancelled:?}");
    assert_eq!(cancelled.text(), format!("{waiting} cancelled"));
    for refused in [&*done, NOBODY] {
        assert!(cancelled.stderr.contains(&format!("task {refused}: ")), "{cancelled:?}");
    }
    let nobody = format!("--server=:{}", free_port());
    let unheard = run(&["cancel", &nobody, &done, &waiting]).await;
    assert_eq!(unheard.code, Some(6), "{unheard:?}");
    assert!(unheard.stderr.contains("left as they were: 1"), "{unheard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_failure_has_the_exit_code_that_the_help_promises() {
    let up = Up::start(PROGRAM, &[]).await.unwrap();
    let done = submit(&up, &[], "true").await;
    up.api().wait_terminal(&done, LIMIT).await;
    for (line, code, said) in [
        (format!("status {NOBODY}"), 3, NOBODY),
        (format!("logs {NOBODY}"), 3, "distrack: "),
        (format!("cancel {done}"), 5, "completed"),
        (format!("retry {done}"), 5, "completed"),
        ("status nonsense".to_owned(), 2, "must be a task id"),
        ("submit --queue=A -- true".to_owned(), 2, "--queue: "),
        ("list --server=:1".to_owned(), 6, "no scheduler answers"),
    ] {
        let ended = ask(&up, &line).await;
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        assert!(ended.stderr.contains(said), "{said:?} in {line}: {ended:?}");
        assert_eq!(ended.text(), "", "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_is_there_as_a_command_too() {
    for (line, part) in [(&["help"][..], "Exit codes:"), (&["help", "worker"][..], "--coordinator")] {
        let help = run(line).await;
        assert_eq!(help.code, Some(0), "{help:?}");
        assert!(help.text().contains(part), "{help:?}");
    }
}
