//! `?wait=10s`: answers when the task has ended, or as it stands when the time is up.

use std::time::Duration;

use distrack_core::Task;
use tokio::time::Instant;

use crate::app::App;
use crate::auth::Reach;
use crate::duration;
use crate::load;
use crate::problem::Problem;
use crate::query::Params;

/// The longest wait.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// How long a request may wait for the end of its task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    limit: Duration,
    since: Instant,
}

impl Wait {
    /// Takes the parameter `wait`; none is no wait.
    pub(crate) fn take(params: &mut Params) -> Result<Self, Problem> {
        let since = Instant::now();
        let Some(text) = params.take("wait")? else { return Ok(Self { limit: Duration::ZERO, since }) };
        let limit = duration::of_text(&text).filter(|limit| *limit <= MAX_WAIT);
        let limit =
            limit.ok_or_else(|| Problem::field("wait", "must be 0 to 60 seconds, like \"10s\" or 10"))?;
        Ok(Self { limit, since })
    }

    /// Waits for the end of `task`, which was read or stored after the wait was taken. Ends early when the
    /// scheduler stops, and answers what is known when the store cannot say.
    pub(crate) async fn end_of(self, app: &App, task: Task) -> Task {
        if self.limit.is_zero() || task.state.is_terminal() {
            return task;
        }
        load::only_waits();
        let ended = tokio::select! {
            ended = app.waiters.ended(task.id, self.since) => ended,
            () = tokio::time::sleep(self.limit) => None,
            () = app.shutdown.cancelled() => None,
        };
        match ended {
            Some(task) => task,
            None => app.task(task.id, &Reach::all()).await.unwrap_or(task),
        }
    }
}
