//! Any bytes as a body.

use distrack_core::{NewTask, TaskId, TraceContext};

use super::parse;
use crate::request::TaskRequest;

#[test]
fn a_body_is_a_task_or_a_problem() {
    bolero::check!().for_each(|input: &[u8]| match parse::<TaskRequest>(input) {
        Ok(request) => {
            let task = NewTask::parse(request.into(), TaskId::new(), TraceContext::root());
            if let Err(errors) = task {
                assert!(errors.iter().all(|error| !error.field.is_empty()));
            }
        }
        Err(problem) => assert!(problem.code.status().is_client_error()),
    });
}
