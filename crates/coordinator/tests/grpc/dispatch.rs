//! Who has an attempt when the worker refuses, cannot be reached, or does not answer.

use crate::support::{LIMIT, coordinator, worker, worker_that_cannot_read};
use distrack_core::TaskState;
use distrack_proto::v1::{self, Acceptance};
use tonic::Status;

fn epochs(request: &v1::DispatchRequest) -> Vec<i64> {
    request.assignments.iter().map(|assignment| assignment.attempt.as_ref().unwrap().epoch).collect()
}

#[tokio::test]
async fn a_due_task_is_dispatched_with_its_session_and_stays_dispatched_until_a_report() {
    let mut served = coordinator().await;
    let mut worker = worker([Ok(Acceptance::Accepted)]).await;
    let registered = served.register(worker.address).await;
    let task = served.submit("echo hello").await;
    let request = worker.next_dispatch().await;
    assert_eq!((request.session_id, request.attach), (registered.session_id, registered.attach));
    assert_eq!(served.until(task, |task| task.state == TaskState::Dispatched).await.attempt, 1);
}

#[tokio::test]
async fn a_worker_without_a_slot_gives_the_attempt_back() {
    let mut served = coordinator().await;
    let mut worker = worker([Ok(Acceptance::NoSlot), Ok(Acceptance::Accepted)]).await;
    served.register(worker.address).await;
    let task = served.submit("echo hello").await;
    assert_eq!(epochs(&worker.next_dispatch().await), [1]);
    assert_eq!(epochs(&worker.next_dispatch().await), [2], "a new claim has a new epoch");
    let task = served.until(task, |task| task.epoch == 2).await;
    assert_eq!(task.attempt, 1, "an attempt that was given back does not count");
}

#[tokio::test]
async fn a_worker_of_another_session_at_the_address_gets_nothing_and_the_task_waits_on() {
    let mut served = coordinator().await;
    let mut stranger = worker([Err(Status::failed_precondition("another session"))]).await;
    served.register(stranger.address).await;
    let task = served.submit("echo hello").await;
    stranger.next_dispatch().await;
    let task = served.until(task, |task| task.state == TaskState::Pending && task.epoch == 1).await;
    assert_eq!(task.attempt, 0);
}

#[tokio::test]
async fn an_address_that_refuses_connections_gives_the_attempt_back() {
    let mut served = coordinator().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    served.register(nobody).await;
    let task = served.submit("echo hello").await;
    served.until(task, |task| task.state == TaskState::Pending && task.epoch == 1).await;
}

#[tokio::test]
async fn without_an_answer_the_same_epoch_is_sent_again() {
    let mut served = coordinator().await;
    let mut worker = worker([Err(Status::unavailable("lost on the way")), Ok(Acceptance::Accepted)]).await;
    served.register(worker.address).await;
    let task = served.submit("echo hello").await;
    assert_eq!(epochs(&worker.next_dispatch().await), [1]);
    assert_eq!(epochs(&worker.next_dispatch().await), [1]);
    assert_eq!(served.task(task).await.epoch, 1);
}

#[tokio::test]
async fn a_worker_that_never_answers_is_made_to_register_anew() {
    let mut served = coordinator().await;
    let mut worker = worker([Err(Status::unavailable("lost on the way"))]).await;
    let registered = served.register(worker.address).await;
    let task = served.submit("echo hello").await;
    worker.next_dispatch().await;
    let heartbeat = v1::HeartbeatRequest {
        session_id: registered.session_id,
        attach: registered.attach,
        busy: 0,
        draining: false,
    };
    let forgotten = async {
        while served.client.heartbeat(heartbeat.clone()).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, forgotten).await.expect("the registration is dropped");
    assert_eq!(
        served.task(task).await.state,
        TaskState::Dispatched,
        "nobody may guess that it did not arrive"
    );
}

#[tokio::test]
async fn an_assignment_that_a_worker_cannot_read_fails_instead_of_going_round() {
    let mut served = coordinator().await;
    let mut worker = worker([Err(Status::invalid_argument("command.program: is unknown"))]).await;
    served.register(worker.address).await;
    let task = served.submit("echo hello").await;
    worker.next_dispatch().await;
    let failed = served.until(task, |task| task.state == TaskState::Failed).await;
    assert!(failed.outcome.unwrap().error.unwrap().contains("command.program"));
}

#[tokio::test]
async fn one_unreadable_assignment_does_not_take_its_batch_with_it() {
    let mut served = coordinator().await;
    let mut good = Vec::new();
    for n in 0..3 {
        good.push(served.submit(&format!("echo {n}")).await);
    }
    let bad = served.submit("unheard of").await;
    let worker = worker_that_cannot_read("unheard of").await;
    served.register(worker.address).await;
    served.until(bad, |task| task.state == TaskState::Failed).await;
    for task in good {
        assert_eq!(served.until(task, |task| task.attempt == 1).await.state, TaskState::Dispatched);
    }
}

#[tokio::test]
async fn what_is_no_worker_at_the_address_gets_nothing_and_the_task_waits_on() {
    let mut served = coordinator().await;
    let mut stranger = worker([Err(Status::unimplemented("no such service"))]).await;
    served.register(stranger.address).await;
    let task = served.submit("echo hello").await;
    stranger.next_dispatch().await;
    let task = served.until(task, |task| task.state == TaskState::Pending && task.epoch == 1).await;
    assert_eq!(task.attempt, 0);
}

#[tokio::test]
async fn a_cancel_reaches_the_worker_by_call_and_by_heartbeat() {
    let mut served = coordinator().await;
    let mut worker = worker([Ok(Acceptance::Accepted)]).await;
    let registered = served.register(worker.address).await;
    let task = served.submit("sleep 60").await;
    worker.next_dispatch().await;
    served.until(task, |task| task.state == TaskState::Dispatched).await;
    distrack_store::Store::cancel(&*served.store, task).await.unwrap();
    let call = tokio::time::timeout(LIMIT, worker.cancelled.recv()).await.expect("a call in time").unwrap();
    assert_eq!(call.attempts[0].epoch, 1);
    let heartbeat = v1::HeartbeatRequest {
        session_id: registered.session_id,
        attach: registered.attach,
        busy: 1,
        draining: false,
    };
    let answer = served.client.heartbeat(heartbeat).await.unwrap().into_inner();
    assert_eq!(answer.cancel, call.attempts);
}

#[tokio::test]
async fn leases_are_renewed_while_cancels_keep_coming() {
    let mut served = coordinator().await;
    let worker = worker([Ok(Acceptance::Accepted)]).await;
    let registered = served.register(worker.address).await;
    let task = served.submit("sleep 60").await;
    served.until(task, |task| task.state == TaskState::Dispatched).await;
    let store = std::sync::Arc::clone(&served.store);
    let lease = async || distrack_store::Store::workers(&*store).await.unwrap()[0].lease_expires_at;
    let before = lease().await;
    let heartbeat = v1::HeartbeatRequest {
        session_id: registered.session_id,
        attach: registered.attach,
        busy: 1,
        draining: false,
    };
    served.client.heartbeat(heartbeat).await.unwrap();
    let renewed = async {
        while lease().await <= before {
            distrack_store::Store::cancel(&*store, task).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, renewed).await.expect("the lease is renewed in time");
}
