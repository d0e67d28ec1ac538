//! The workloads, a file each.

pub(crate) mod drain;
mod ended;

use anyhow::{Result, bail};

use crate::bench::{Bench, Outcome};
use crate::calibrate::Calibrator;
use crate::settings::Workload;
use drain::Executor;

/// What the machine is asked for around each round.
pub(crate) fn calibrators(workload: Workload) -> &'static [Calibrator] {
    match workload {
        Workload::Shell | Workload::Soak | Workload::Mixed => &[Calibrator::Spawn],
        Workload::Noop | Workload::Deep => &[Calibrator::ClaimFinish],
        Workload::Latency => &[Calibrator::SpawnOne],
        Workload::Submit => &[Calibrator::BareHttp, Calibrator::Commits, Calibrator::Insert],
    }
}

/// Measures a workload once.
pub(crate) async fn round(workload: Workload, bench: &mut Bench) -> Result<Outcome> {
    match workload {
        Workload::Shell => drain::round(bench, Executor::Process).await,
        Workload::Noop => drain::round(bench, Executor::Noop).await,
        other => bail!("{} is not there yet", other.as_str()),
    }
}
