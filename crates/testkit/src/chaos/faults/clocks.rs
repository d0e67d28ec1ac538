//! Wall clocks that jump: nobody decides anything by them but the database by its own.

use std::time::Duration;

use anyhow::Result;

use super::criteria::no_losses;
use super::processes::patient;
use crate::chaos::checker::Violation;
use crate::chaos::clock;
use crate::chaos::history::History;
use crate::chaos::load::Habits;
use crate::chaos::scene::{Notes, Scene};
use crate::chaos::world::Plan;

const HOUR: i64 = 3_600;

/// Clocks that can be set.
pub(super) fn settable(plan: &mut Plan, habits: &mut Habits) {
    patient(plan, habits);
    plan.clocks = true;
}

/// F22.
pub(super) async fn jump(scene: &Scene) -> Result<()> {
    if clock::library().is_none() {
        scene.skip("this machine has no libfaketime");
        return Ok(());
    }
    scene.warm().await;
    for member in scene.world.members() {
        let name = member.process().name();
        for seconds in [HOUR, -HOUR, 0] {
            clock::set(&scene.world.root, name, seconds)?;
            // Long enough for whoever counts by the wrong clock to lose somebody.
            tokio::time::sleep(Duration::from_secs(1)).await;
            scene.goes_on(8).await;
        }
        if !clock::is_settable(member.process().pid()) {
            scene.violate(format!("the clock of {name} did not jump: nothing was shown"));
        }
    }
    Ok(())
}

/// F22: nobody was taken for lost.
pub(super) fn nobody_is_lost(history: &History, _: &Notes) -> Vec<Violation> {
    no_losses("F22", history)
}
