//! The table of faults.

use super::clients;
use super::clocks;
use super::commands;
use super::criteria::nothing;
use super::database;
use super::disks;
use super::network;
use super::processes;
use super::{Act, Fault, When};
use crate::chaos::checker::Violation;
use crate::chaos::history::History;
use crate::chaos::load::Habits;
use crate::chaos::scene::Notes;
use crate::chaos::world::Plan;

use When::{Full, NotHere, Quick};

fn usual(_: &mut Plan, _: &mut Habits) {}

const fn fault(id: &'static str, when: When, title: &'static str, extra: &'static str, act: Act) -> Fault {
    Fault { id, title, extra, when, plan: usual, act, judge: nothing }
}

impl Fault {
    const fn with(self, plan: fn(&mut Plan, &mut Habits)) -> Self {
        Self { plan, ..self }
    }

    const fn judged(self, judge: fn(&History, &Notes) -> Vec<Violation>) -> Self {
        Self { judge, ..self }
    }
}

const fn not_here(id: &'static str, title: &'static str, reason: &'static str) -> Fault {
    fault(id, NotHere(reason), title, "", |_| Box::pin(async { Ok(()) }))
}

/// All faults, by number.
pub const FAULTS: &[Fault] = &[
    fault(
        "F1",
        Quick,
        "kill -9 the scheduler under POST load",
        "no accepted task is lost, a key that is sent again names the same task",
        |scene| Box::pin(processes::kill_scheduler(scene)),
    )
    .with(processes::under_post_load)
    .judged(processes::calls_were_cut),
    fault(
        "F2",
        Quick,
        "kill -9 each coordinator with attempts in flight",
        "nothing runs again, running commands go on, the other one takes over",
        |scene| Box::pin(processes::kill_each_coordinator(scene)),
    )
    .with(processes::patient)
    .judged(processes::nothing_ran_again),
    fault(
        "F3",
        Quick,
        "kill -9 all coordinators for twice lost_after",
        "no command is killed, nothing runs again, kept results are all recorded",
        |scene| Box::pin(processes::kill_all_coordinators(scene)),
    )
    .with(processes::patient)
    .judged(processes::an_outage_costs_nothing),
    fault(
        "F3S",
        Full,
        "as F3, with workers that stop their commands when nobody hears them",
        "commands are gone before lost_after, no overlap",
        |scene| Box::pin(processes::kill_all_coordinators(scene)),
    )
    .with(processes::stop_on_disconnect)
    .judged(processes::an_outage_stops_commands),
    fault(
        "F4",
        Quick,
        "kill -9 a worker that is started again at once",
        "what it left running is killed, its tasks run again within 3 s, no overlap",
        |scene| Box::pin(processes::kill_worker(scene)),
    )
    .with(processes::roomy)
    .judged(processes::killed_runs_are_run_again_at_once),
    fault(
        "F5",
        Quick,
        "kill -9 a worker that never returns",
        "its tasks run again within lost_after and 10 s",
        |scene| Box::pin(processes::lose_worker(scene)),
    )
    .with(processes::roomy)
    .judged(processes::lost_runs_are_run_again),
    fault(
        "F6",
        Quick,
        "kill -9 a worker again and again",
        "the survivor works on, nobody is taken for poison",
        |scene| Box::pin(processes::kill_worker_repeatedly(scene)),
    )
    .judged(processes::nobody_is_taken_for_poison),
    fault(
        "F7",
        Quick,
        "stop a worker past its lease, then let it go on",
        "its late reports are stale, its superseded commands are killed within a second",
        |scene| Box::pin(processes::stop_worker_past_its_lease(scene)),
    )
    .with(processes::roomy)
    .judged(processes::late_reports_are_stale),
    fault("F8", Quick, "stop a worker for less than its lease", "nothing runs again", |scene| {
        Box::pin(processes::stop_worker_within_its_lease(scene))
    })
    .with(processes::patient)
    .judged(processes::nothing_is_lost),
    fault(
        "F9",
        Full,
        "stop each coordinator past its workers' leases, then let it go on",
        "what it still wanted to dispatch is refused",
        |scene| Box::pin(processes::stop_coordinator_past_its_lease(scene)),
    ),
    fault(
        "F10",
        Quick,
        "cut the database's power, start it again after 4 s",
        "clients hear 503 only, nothing is lost, no connection is poisoned",
        |scene| Box::pin(database::power_cut(scene)),
    )
    .with(database::own_patient_server)
    .judged(database::only_unavailable),
    fault("F11", Full, "kill ten database backends a second", "work goes on and is whole", |scene| {
        Box::pin(database::kill_backends(scene))
    }),
    fault(
        "F12",
        Full,
        "hold every connection that the database permits",
        "claims and reports go on over the connections that they have",
        |scene| Box::pin(database::exhaust_connections(scene)),
    )
    .with(database::own_server),
    fault(
        "F13",
        Full,
        "a snapshot that is held open for 15 s under load",
        "the rate stays, dead rows are bounded afterwards",
        |scene| Box::pin(database::idle_snapshot(scene)),
    ),
    fault(
        "F14",
        Full,
        "lock the tasks for three times lost_after",
        "lock_timeout, tried again, nothing stuck, nobody is lost",
        |scene| Box::pin(database::lock_tasks(scene)),
    )
    .with(processes::patient)
    .judged(database::nobody_is_lost),
    fault(
        "F15",
        Quick,
        "cut a worker off from the coordinators for twice lost_after",
        "run elsewhere, its old commands killed within a second of contact, its reports stale",
        |scene| Box::pin(network::partition_worker(scene)),
    )
    .with(processes::roomy)
    .judged(network::a_partition_loses_and_supersedes),
    fault(
        "F15S",
        Full,
        "as F15, with workers that stop their commands when nobody hears them",
        "commands are gone before lost_after, no overlap",
        |scene| Box::pin(network::partition_worker_that_stops(scene)),
    )
    .with(processes::stop_on_disconnect)
    .judged(network::a_partition_stops_commands),
    fault("F16", Full, "cut a worker off one way, then the other", "as F15", |scene| {
        Box::pin(network::partition_one_way(scene))
    })
    .with(processes::roomy),
    fault(
        "F17",
        Full,
        "cut each coordinator off from the database",
        "it says that it is not ready, and comes back, its workers go elsewhere, nobody is lost",
        |scene| Box::pin(network::partition_coordinators_from_database(scene)),
    )
    .with(processes::patient)
    .judged(network::a_coordinator_alone_loses_nobody),
    fault(
        "F18",
        Full,
        "200 ms ± 100 ms of latency, 1 % resets, slices of 16 KiB",
        "nobody is lost falsely",
        |scene| Box::pin(network::bad_weather(scene)),
    )
    .with(processes::patient)
    .judged(network::nobody_is_lost_falsely),
    fault(
        "F19",
        Full,
        "lose answers after their call was received, so that it is made again",
        "everything is idempotent",
        |scene| Box::pin(network::lose_answers(scene)),
    ),
    fault(
        "F20",
        Full,
        "the disk for output is full, then freed",
        "tasks end, the worker survives and stays attached",
        |scene| Box::pin(disks::full_output(scene)),
    ),
    fault(
        "F21",
        Full,
        "the disk of the spool is full, then freed",
        "running commands end, no result is lost",
        |scene| Box::pin(disks::full_spool(scene)),
    ),
    fault(
        "F22",
        Full,
        "the clock of each service jumps by an hour, forth and back",
        "nothing starts early, nobody is lost",
        |scene| Box::pin(clocks::jump(scene)),
    )
    .with(clocks::settable)
    .judged(clocks::nobody_is_lost),
    not_here(
        "F23",
        "the database's clock steps by 30 s",
        "it needs a server whose clock can be set; ours is started by a user of its own, and the checker reads its clock too",
    ),
    not_here(
        "F24",
        "the kernel kills a command for lack of memory",
        "it needs a control group (v2) of the worker with a limit of memory, which a test may not make",
    ),
    not_here(
        "F25",
        "a fork bomb",
        "it needs a control group (v2) for each attempt: by resource limits, a bomb takes the processes of all that its user runs, its neighbours too",
    ),
    fault(
        "F26",
        Quick,
        "commands that ignore SIGTERM",
        "killed after the grace, with their group",
        |scene| Box::pin(commands::ignore_sigterm(scene)),
    )
    .with(commands::light),
    fault(
        "F27",
        Quick,
        "commands that leave a daemon in a session of its own",
        "the daemon is killed, or the worker says `escaped`",
        |scene| Box::pin(commands::daemonise(scene)),
    )
    .with(commands::light),
    fault(
        "F28",
        Quick,
        "a command that ends while a child of it keeps its output open",
        "the task ends within 2 s of the exit",
        |scene| Box::pin(commands::leave_child_with_stdout(scene)),
    )
    .with(commands::light)
    .judged(commands::the_parent_ends_it),
    fault(
        "F29",
        Quick,
        "commands that print without end, without a line's end, byte by byte",
        "the cap holds, the worker hardly grows",
        |scene| Box::pin(commands::print_without_end(scene)),
    )
    .with(commands::light),
    fault(
        "F30",
        Quick,
        "binary output, NUL, no UTF-8, escape codes, 6 MiB of errors",
        "bytes are kept, reports stay small, nothing is stuck",
        |scene| Box::pin(commands::print_rubbish(scene)),
    )
    .with(commands::light),
    fault(
        "F31",
        Full,
        "a command of 200 KB, ENOENT, EACCES, a bad directory",
        "refused, or terminal with spawn_failed",
        |scene| Box::pin(commands::cannot_start(scene)),
    )
    .with(commands::light),
    fault(
        "F32",
        Full,
        "2,000 clients that do nothing or are slow, a body of 100 MB",
        "limits hold, health is answered at once",
        |scene| Box::pin(clients::crowd(scene)),
    ),
    fault(
        "F33",
        Full,
        "a rolling restart of every service, of one version since there is no release before",
        "nothing runs again, no command is cut short",
        |scene| Box::pin(processes::rolling_restart(scene)),
    )
    .with(processes::two_schedulers)
    .judged(processes::a_restart_costs_nothing),
    fault("F34", Full, "two workers with one state folder", "one of them gives way", |scene| {
        Box::pin(processes::two_with_one_state(scene))
    }),
    fault(
        "F35",
        Full,
        "everything restarts with 5,000 due tasks and 6 workers",
        "no storm of errors, all of it is drained",
        |scene| Box::pin(processes::restart_everything(scene)),
    )
    .with(processes::many_workers)
    .judged(processes::no_storm_of_errors),
    fault(
        "F36",
        Full,
        "cancel all that runs while it completes",
        "no deadlock, every cancel is answered",
        |scene| Box::pin(commands::cancel_storm(scene)),
    ),
    fault(
        "F37",
        Quick,
        "clients hang up in the middle of their requests, a thousand a second",
        "no poisoned connection, no row of half a request",
        |scene| Box::pin(clients::hang_up(scene)),
    ),
    fault(
        "F38",
        Quick,
        "a task that kills its worker",
        "quarantined after three, others unharmed",
        |scene| Box::pin(commands::poison(scene)),
    )
    .judged(commands::others_are_unharmed),
];
