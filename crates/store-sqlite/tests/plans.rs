//! How the statements that run all the time find their tasks: by an index, however many have ended or wait.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;

use distrack_store::Store;
use distrack_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions};

/// The steps of each statement's plan.
async fn plans() -> BTreeMap<String, Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plans.db");
    SqliteStore::open(&path).unwrap().migrate().await.unwrap();
    let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    let mut plans = BTreeMap::new();
    for file in std::fs::read_dir("sql").unwrap() {
        let path = file.unwrap().path();
        let explain = format!("EXPLAIN QUERY PLAN {}", std::fs::read_to_string(&path).unwrap());
        let rows: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        plans.insert(name, rows.into_iter().map(|(_, _, _, step)| step).collect());
    }
    plans
}

/// The steps that read tasks, which every statement calls by one of these names.
fn of_tasks<'a>(plan: &'a [String]) -> Vec<&'a str> {
    let reads = |step: &&'a str| {
        ["SCAN ", "SEARCH "].into_iter().filter_map(|verb| step.strip_prefix(verb)).any(|rest| {
            ["tasks ", "t ", "found "].iter().any(|name| rest.starts_with(name))
                || ["tasks", "t"].contains(&rest)
        })
    };
    plan.iter().map(String::as_str).filter(reads).collect()
}

#[tokio::test]
async fn a_claim_steps_through_the_due_index_and_changes_tasks_by_their_ids() {
    let plans = plans().await;
    assert_eq!(
        of_tasks(&plans["claim"]),
        [
            "SCAN tasks USING INDEX tasks_due",                    // its first entry
            "SEARCH t USING INDEX tasks_due (queue=? AND rank>?)", // the next rank, past all that wait in this one
            "SEARCH t USING COVERING INDEX tasks_due (queue>?)",   // or the next queue
            "SEARCH t USING INDEX tasks_due (queue=? AND rank>?)",
            "SEARCH t USING INDEX tasks_due (queue>?)",
            "SEARCH found USING PRIMARY KEY (id=?)",
            "SEARCH t USING INDEX tasks_due (queue=? AND rank=? AND due_at<?)",
            "SEARCH tasks USING PRIMARY KEY (id=?)",
        ]
    );
    assert_eq!(
        of_tasks(&plans["next_due"]),
        [
            "SCAN tasks USING INDEX tasks_due",
            "SEARCH t USING INDEX tasks_due (queue=? AND rank>?)", // the next rank, past all that wait in this one
            "SEARCH t USING COVERING INDEX tasks_due (queue>?)",   // or the next queue
            "SEARCH t USING INDEX tasks_due (queue=? AND rank>?)",
            "SEARCH t USING INDEX tasks_due (queue>?)",
            "SEARCH t USING INDEX tasks_due (queue=? AND rank=? AND due_at>?)", // the next one
            "SEARCH t USING INDEX tasks_due (queue=? AND rank=?)",              // the first one
        ]
    );
}

#[tokio::test]
async fn an_explanation_reads_no_more_of_a_backlog_than_it_counts() {
    let plans = plans().await;
    assert_eq!(
        of_tasks(&plans["ahead"]),
        [
            "SEARCH tasks USING INDEX tasks_due (queue=? AND rank<?)", // its first rank
            "SEARCH t USING INDEX tasks_due (queue=? AND rank>? AND rank<?)",
            "SEARCH t USING INDEX tasks_due (queue=? AND rank=? AND (due_at,id)<(?,?))",
        ]
    );
    let held = "SEARCH t USING INDEX tasks_session (session_id=?)";
    assert_eq!(of_tasks(&plans["serving"]), [held, held, held]);
    assert!(!plans["ahead"].iter().any(|step| step.contains("TEMP B-TREE")), "what is sorted is read whole");
}

#[tokio::test]
async fn a_batch_is_matched_with_its_tasks_by_their_ids() {
    let plans = plans().await;
    let batched = [
        "finish",
        "get",
        "lock_attempts",
        "release",
        "release_cancelled",
        "session_move",
        "start",
        "supersede",
    ];
    for name in batched {
        assert_eq!(of_tasks(&plans[name]), ["SEARCH tasks USING PRIMARY KEY (id=?)"], "{name}");
    }
}

#[tokio::test]
async fn notes_are_found_by_their_task_and_removed_from_the_oldest_on() {
    let plans = plans().await;
    let of_audit = |name: &str| -> Vec<&str> {
        plans[name].iter().map(String::as_str).filter(|step| step.contains(" audit")).collect()
    };
    assert_eq!(
        of_audit("audit_of_task"),
        [
            "SEARCH audit USING INDEX audit_task (task_id=?)",
            "SEARCH audit USING INDEX audit_retried (other_task_id=?)",
            "SEARCH audit USING INDEX audit_task (task_id>? AND task_id<?)",
        ]
    );
    assert_eq!(of_audit("audit"), ["SEARCH audit USING INTEGER PRIMARY KEY (rowid<?)"]);
    assert_eq!(of_audit("prune_audit"), ["SEARCH audit USING INTEGER PRIMARY KEY (rowid=?)", "SCAN audit"]);
}

#[tokio::test]
async fn no_statement_reads_tasks_that_have_ended_to_find_others() {
    for (name, plan) in plans().await {
        for step in of_tasks(&plan) {
            let partial =
                ["tasks_due", "tasks_session", "tasks_expires"].iter().any(|index| step.contains(index));
            assert!(partial || step.contains("USING PRIMARY KEY"), "{name}: {step}");
        }
    }
}
