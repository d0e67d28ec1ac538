//! Who lives in which process group.
//!
//! The kernel tells it only by way of all of `/proc`, so nobody looks without a reason, and one look serves
//! everybody who waits for one: a thousand commands that are stopped at once do not read it a thousand times.

use std::collections::HashSet;
use std::sync::Arc;

use rustix::process::Pid;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use crate::proc::{self, Stat};

/// See the module. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    last: Arc<Mutex<Look>>,
}

#[derive(Debug, Default)]
struct Look {
    began: Option<Instant>,
    /// The groups that have a member; `None` where nobody can tell.
    living: Option<HashSet<i32>>,
}

impl Groups {
    /// Whether a group has a member that is no zombie, at some instant after this call. It has, for all that
    /// is known, where nobody can tell.
    pub(crate) async fn has_living(&self, group: Pid) -> bool {
        let look = self.look().await;
        look.living.as_ref().is_none_or(|living| living.contains(&group.as_raw_nonzero().get()))
    }

    /// A look, by whomever, that began after this call.
    async fn look(&self) -> MutexGuard<'_, Look> {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        if last.began.is_none_or(|began| began < asked) {
            let began = Some(Instant::now());
            let living = tokio::task::spawn_blocking(living).await.ok().flatten();
            *last = Look { began, living };
        }
        last
    }
}

fn living() -> Option<HashSet<i32>> {
    let processes = proc::all();
    // Whoever ends meanwhile has no such line.
    let stats = processes.iter().filter_map(|pid| Stat::of(*pid));
    (!processes.is_empty()).then(|| stats.filter(|stat| !stat.dead).map(|stat| stat.group).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_look_serves_everybody_who_asked_before_it_began() {
        let groups = Groups::default();
        let busy = groups.last.lock().await;
        let mut askers = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let groups = groups.clone();
            askers.spawn(async move { groups.look().await.began });
        }
        // On one thread, each of them gets as far as the lock.
        tokio::task::yield_now().await;
        drop(busy);
        let looks: HashSet<_> = askers.join_all().await.into_iter().collect();
        assert_eq!(looks.len(), 1, "{looks:?}");
        assert!(groups.has_living(rustix::process::getpgrp()).await);
    }
}
