//! Gathers all that is known at the end of a run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::dump::{self, Dump, state};
use super::effects;
use super::history::{Count, History, OutputFile, Usage};
use super::run::sweep;
use super::scene::{Scene, sum_of};
use super::world::World;
use crate::api::Api;
use crate::fleet::Member;

/// How much of a file is read.
const READ: usize = 64 * 1024;
/// How long results may take to leave the spool once the last task is terminal: receipts are under way.
const SPOOL_LIMIT: Duration = Duration::from_secs(15);

/// What a process was when the run began.
#[derive(Clone, Debug)]
pub(super) struct Before {
    pid: Option<u32>,
    descriptors: usize,
}

/// A member, and what it was.
type Pair<'a> = (&'a Member, &'a Before);

/// The open descriptors of each member.
pub(super) fn descriptors(world: &World) -> Vec<Before> {
    let of = |member: &Member| Before { pid: member.process().pid(), descriptors: open_descriptors(member) };
    world.members().map(of).collect()
}

fn open_descriptors(member: &Member) -> usize {
    let folder = format!("/proc/{}/fd", member.process().pid().unwrap_or_default());
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Everything.
pub(super) async fn history(scene: &Scene, before: &[Before]) -> Result<History> {
    scene.until(SPOOL_LIMIT, || async { spooled(scene).await == 0.0 }).await;
    let world = &scene.world;
    let effects = scene.watch.effects();
    let database = dump::read(&world.database.url(), world.plan.audited).await?;
    let leftovers = effects::processes_of_tasks(|task| database.tasks.contains_key(task));
    let usage = usage(world, before).await;
    let counts = counts(scene, before, &database).await;
    let files = (world.workers.iter()).flat_map(|worker| files(&worker.folder().join("output"))).collect();
    sweep(&leftovers);
    let notes = scene.notes().clone();
    Ok(History {
        clients: scene.load.log(),
        runs: effects.runs,
        malformed: effects.malformed,
        database,
        leftovers,
        files,
        usage,
        idle: scene.watch.idle(),
        counts,
        cuts: notes.cuts,
        recoveries: notes.recoveries,
        rules: scene.rules(),
    })
}

async fn spooled(scene: &Scene) -> f64 {
    let mut sum = 0.0;
    for (n, worker) in scene.world.workers.iter().enumerate() {
        if worker.process().is_running() {
            sum += scene.metric(n, "distrack_spool_records").await.unwrap_or(1.0);
        }
    }
    sum
}

async fn usage(world: &World, before: &[Before]) -> Vec<Usage> {
    let mut all = Vec::new();
    for (member, before) in world.members().zip(before) {
        if !member.process().is_running() {
            continue;
        }
        let metrics = scrape(member).await.unwrap_or_default();
        all.push(Usage {
            service: member.process().name().to_owned(),
            descriptors_before: before.descriptors,
            descriptors_after: open_descriptors(member),
            spooled: sum_of(&metrics, "distrack_spool_records").unwrap_or_default(),
        });
    }
    all
}

async fn scrape(member: &Member) -> Option<String> {
    Some(Api::impatient(member.admin().base().to_owned()).get("/metrics").await.ok()?.text())
}

/// What counters say, beside what the database says.
async fn counts(scene: &Scene, before: &[Before], database: &Dump) -> Vec<Count> {
    let world = &scene.world;
    let hurt = scene.notes().database_was_hurt;
    let same = |member: &Member, before: &Before| {
        member.process().is_running() && member.process().pid() == before.pid
    };
    let pairs: Vec<Pair<'_>> = world.members().zip(before).collect();
    let (schedulers, others) = pairs.split_at(world.schedulers.len());
    let coordinators = &others[..world.coordinators.len()];
    let truth =
        |is: &dyn Fn(i16) -> bool| database.tasks.values().filter(|task| is(task.state)).count() as f64;
    let mut all = Vec::new();
    let sought: [(&str, &[Pair<'_>], f64); 3] = [
        ("distrack_tasks_scheduled_total", schedulers, truth(&|_| true)),
        (
            "distrack_tasks_finished_total{queue=\"default\",state=\"completed\"}",
            coordinators,
            truth(&|state| state == state::COMPLETED),
        ),
        (
            "distrack_tasks_finished_total{queue=\"default\",state=\"failed\"}",
            coordinators,
            truth(&|state| state == state::FAILED),
        ),
    ];
    for (name, members, truth) in sought {
        let may_lack = hurt || !members.iter().all(|(member, before)| same(member, before));
        let mut counted = 0.0;
        for (member, _) in members {
            counted += scrape(member).await.and_then(|text| sum_of(&text, name)).unwrap_or_default();
        }
        all.push(Count { name: name.to_owned(), counted, truth, may_lack });
    }
    all
}

/// The files of standard output below a worker's folder.
fn files(output: &Path) -> Vec<OutputFile> {
    let Ok(root) = output.canonicalize() else { return Vec::new() };
    let folders = std::fs::read_dir(&root).into_iter().flatten().flatten();
    let of_task = |folder: std::fs::DirEntry| {
        let task = folder.file_name().to_string_lossy().into_owned();
        let files = std::fs::read_dir(folder.path()).into_iter().flatten().flatten();
        let files = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "stdout"));
        let root = root.clone();
        files.map(move |file| OutputFile {
            task: task.clone(),
            path: file.path().display().to_string(),
            bytes: head(&file.path()),
            inside: file.path().canonicalize().is_ok_and(|path| path.starts_with(&root)),
        })
    };
    folders.flat_map(of_task).collect()
}

fn head(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let _ = file.take(READ as u64).read_to_end(&mut bytes);
    }
    bytes
}

/// How many tasks ended how, and how many runs there were.
pub(super) fn summary(history: &History) -> String {
    let mut states: BTreeMap<&str, usize> = BTreeMap::new();
    history.database.tasks.values().for_each(|task| *states.entry(state::name(task.state)).or_default() += 1);
    let told: Vec<String> = states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
    let losses: i32 = history.database.tasks.values().map(|task| task.losses).sum();
    let calls = history.clients.submissions.iter().flat_map(|one| &one.calls).filter(|call| call.accepted());
    let mut waits: Vec<Duration> = calls.map(|call| call.answered.since(call.sent)).collect();
    waits.sort_unstable();
    let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
    format!(
        "{}; {} runs, {losses} losses; submissions answered in {median:?} in the median",
        told.join(", "),
        history.runs.len()
    )
}
