//! What a command prints, and what may stand in its way: a full disk, a planted link, more than anybody can hold.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use distrack_core::AttemptRef;
use prost::Message;

use super::*;

/// A small disk of its own, where one can be had.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("NOT TESTED a full disk: a tmpfs cannot be mounted here");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn runner_at(dir: &Path, of: &Assignment) -> (Runner, PathBuf) {
    (runner(dir), dir.join(of.attempt.task.to_string()))
}

async fn run(runner: &Runner, assignment: &Assignment) -> Ending {
    let (_handle, signal) = stop::channel();
    runner.run(assignment, signal, |_| {}).await
}

#[tokio::test]
async fn a_full_disk_costs_the_file_or_fails_the_task_that_wants_it_whole_and_nothing_once_it_has_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(dir.path()) else { return };
    let mut wants_all = assignment("head -c 200000 /dev/zero");
    let (runner, folder) = runner_at(&disk.0, &wants_all);
    let ending = run(&runner, &wants_all).await;
    assert_eq!(
        (ending.outcome.cause, ending.output.stdout.bytes),
        (None, 200_000),
        "truncated, as is the default"
    );
    std::fs::remove_dir_all(&folder).unwrap();
    wants_all.spec.on_output_limit = OnOutputLimit::Fail;
    let ending = run(&runner, &wants_all).await;
    assert_eq!(ending.outcome.cause, Some(Cause::OutputLimit));
    let error = ending.outcome.error.unwrap();
    assert!(error.starts_with("its output cannot be kept: No space left on device"), "{error}");
    assert_eq!(ending.outcome.exit_code, Some(0));
    std::fs::remove_dir_all(&folder).unwrap();
    let next = assignment("echo next");
    assert_eq!(run(&runner, &next).await.outcome.cause, None);
    assert_eq!(std::fs::read(runner_at(&disk.0, &next).1.join("1.stdout")).unwrap(), b"next\n");
}

#[tokio::test]
async fn links_that_a_command_planted_for_the_next_attempt_lead_its_output_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    let mut next = assignment("echo new; exit 4");
    next.number = 2;
    next.attempt.epoch = 7;
    let (runner, folder) = runner_at(&dir.path().join("out"), &next);
    let planting = format!(
        "echo x; cd {}; ln -s {1} 2.stdout; ln -s {1} 2.7.stdout",
        folder.display(),
        precious.display()
    );
    let first = Assignment { attempt: AttemptRef { epoch: 6, ..next.attempt }, ..assignment(&planting) };
    // The folder must be there when the command looks for it.
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(run(&runner, &first).await.outcome.cause, None);
    let ending = run(&runner, &next).await;
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    let error = ending.outcome.error.unwrap();
    assert!(error.contains("its output file is not whole: File exists"), "{error}");
    assert_eq!(ending.output.stdout.head, b"new\n", "the report has it all the same");
}

#[tokio::test]
async fn a_link_in_place_of_a_tasks_folder_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let assignment = assignment("echo new; exit 4");
    let (runner, folder) = runner_at(dir.path(), &assignment);
    symlink(elsewhere.path(), folder).unwrap();
    let error = run(&runner, &assignment).await.outcome.error.unwrap();
    assert!(error.contains("its output file is not whole"), "{error}");
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_attempts_number_that_comes_again_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = assignment("echo first");
    let (runner, folder) = runner_at(dir.path(), &first);
    run(&runner, &first).await;
    let again = Assignment {
        attempt: AttemptRef { epoch: first.attempt.epoch + 1, ..first.attempt },
        ..assignment("echo again")
    };
    run(&runner, &again).await;
    assert_eq!(std::fs::read(folder.join("1.stdout")).unwrap(), b"first\n");
    assert_eq!(std::fs::read(folder.join("1.2.stdout")).unwrap(), b"again\n");
}

#[tokio::test]
async fn what_a_command_printed_is_for_the_workers_user_and_group_alone() {
    let dir = tempfile::tempdir().unwrap();
    let assignment = assignment("echo secret");
    let (runner, folder) = runner_at(&dir.path().join("out"), &assignment);
    run(&runner, &assignment).await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
    for path in [folder.parent().unwrap(), &folder] {
        assert_eq!(mode(path) & 0o027, 0, "{}", path.display());
    }
    assert_eq!(mode(&folder.join("1.stdout")) & 0o137, 0);
}

#[tokio::test]
async fn a_line_of_a_gigabyte_is_drained_and_counted_and_takes_no_memory() {
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    let before = resident();
    let mut assignment = assignment("head -c 1000000000 /dev/zero");
    assignment.spec.timeout_ms = 300_000;
    let ran = ran_by(assignment, |runner| runner.output_cap = 1_000_000).await;
    assert_eq!((ran.cause(), ran.ending.output.stdout.bytes), (None, 1_000_000_000), "{}", ran.error());
    let grown = resident() - before;
    assert!(grown < 200_000_000, "{grown} bytes");
    assert!(ran.file("1.stdout").unwrap().len() < 1_001_000);
}

#[tokio::test]
async fn a_report_of_any_output_and_any_error_stays_small() {
    let line = "head -c 5000000 /dev/zero | tr '\\000' '\\377'; head -c 5000000 /dev/zero >&2; exit 3";
    let printed = ran(assignment(line)).await;
    assert_eq!(printed.cause(), Some(Cause::ExitCode));
    let name = "x".repeat(100_000);
    let unstarted = ran(program(&[&name])).await;
    assert_eq!(unstarted.cause(), Some(Cause::SpawnFailed));
    for ending in [printed.ending, unstarted.ending] {
        let took = ending.ran();
        let report = distrack_proto::convert::finished(ending.outcome, ending.output, took, Duration::ZERO);
        // A gRPC message may have 4 MiB, and many reports go in one.
        assert!(report.encoded_len() < 300_000, "{}", report.encoded_len());
    }
}
