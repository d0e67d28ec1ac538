//! The workloads, a file each.

mod deep;
pub(crate) mod drain;
mod ended;
mod latency;
mod mixed;
mod soak;
mod submit;

use anyhow::Result;

use crate::bench::{Bench, Outcome};
use crate::calibrate::Calibrator;
use crate::settings::Workload;
use drain::Executor;

/// What the machine is asked for around each round.
pub(crate) fn calibrators(workload: Workload) -> &'static [Calibrator] {
    match workload {
        Workload::Shell => &[Calibrator::Spawn],
        Workload::Noop => &[Calibrator::ClaimFinish],
        Workload::Latency | Workload::Deep | Workload::Mixed => &[Calibrator::SpawnOne],
        Workload::Soak => &[Calibrator::Spawn, Calibrator::SpawnOne],
        Workload::Submit => &[Calibrator::BareHttp, Calibrator::Commits, Calibrator::Insert],
    }
}

/// Measures a workload once.
pub(crate) async fn round(workload: Workload, bench: &mut Bench) -> Result<Outcome> {
    match workload {
        Workload::Shell => drain::round(bench, Executor::Process).await,
        Workload::Noop => drain::round(bench, Executor::Noop).await,
        Workload::Latency => latency::round(bench).await,
        Workload::Submit => submit::round(bench).await,
        Workload::Deep => deep::round(bench).await,
        Workload::Mixed => mixed::round(bench).await,
        Workload::Soak => soak::round(bench).await,
    }
}
