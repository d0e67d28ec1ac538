//! The exit codes, as `distrack --help` tells them.

/// Done.
pub(crate) const OK: u8 = 0;
/// It failed, for a reason that is none of the others.
pub(crate) const FAILED: u8 = 1;
/// A wrong command, flag or value.
pub(crate) const USAGE: u8 = 2;
/// There is no such task or output.
pub(crate) const NOT_FOUND: u8 = 3;
/// `migrate --wait` was over before the database answered.
pub(crate) const WAITED: u8 = 4;
/// The task's state forbids it.
pub(crate) const CONFLICT: u8 = 5;
/// The scheduler does not answer, or cannot serve now.
pub(crate) const UNREACHABLE: u8 = 6;
/// `submit --wait=…` was over before the task had ended; as `timeout(1)` has it, since the codes below
/// belong to the command then.
pub(crate) const SUBMIT_WAITED: u8 = 124;
/// `submit --wait` cannot tell how the task ended; as `timeout(1)` has it for a failure of its own.
pub(crate) const SUBMIT_FAILED: u8 = 125;
/// A second Ctrl-C; of `bench` the first one.
pub(crate) const INTERRUPTED: u8 = 130;

/// For the end of the help.
pub(crate) const HELP: &str = "\
Exit codes:
  0    done
  1    failed, for a reason that is none of the others
  2    a wrong command, flag or value; every problem is named at once
  3    no such task
  4    waiting for the database took longer than --wait (migrate)
  5    the task's state forbids it (cancel, retry)
  6    the scheduler does not answer, or cannot serve now
  130  a second Ctrl-C: stopped at once; bench: the first one
submit --wait exits with the command's own code: 128 + n if signal n ended it, 1 for another
failure, 124 if the task had not ended in time, 125 if it was accepted and distrack cannot tell how
it ended; its id is on standard error.
cancel and retry do what they can of several tasks and exit with the worst code of them.";

/// The worse one of two codes of the client commands: no answer is worse than a failure, and that is worse than
/// a refusal.
pub(crate) fn worse(one: u8, other: u8) -> u8 {
    const FROM_BAD_TO_WORSE: [u8; 6] = [OK, CONFLICT, NOT_FOUND, USAGE, FAILED, UNREACHABLE];
    let rank = |code| FROM_BAD_TO_WORSE.iter().position(|known| *known == code);
    if rank(one) < rank(other) { other } else { one }
}

/// The exit code of a task that has ended, as `submit --wait` gives it on.
pub(crate) fn of_command(completed: bool, exit_code: Option<i64>, signal: Option<i64>) -> u8 {
    let byte = |code: i64| u8::try_from(code).ok();
    match (completed, exit_code, signal) {
        (true, _, _) => OK,
        (false, _, Some(signal)) => byte(signal.saturating_add(128)).unwrap_or(FAILED),
        // A failed task whose command ended well, such as one that printed too much, is still a failure.
        (false, Some(code), None) => byte(code).filter(|code| *code != OK).unwrap_or(FAILED),
        (false, None, None) => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_codes_the_worst_is_kept() {
        let worst = |codes: &[u8]| codes.iter().copied().fold(OK, worse);
        assert_eq!(worst(&[]), OK);
        assert_eq!(worst(&[CONFLICT, OK, NOT_FOUND]), NOT_FOUND);
        assert_eq!(worst(&[UNREACHABLE, FAILED, CONFLICT]), UNREACHABLE);
    }

    #[test]
    fn a_commands_own_code_is_handed_on() {
        assert_eq!(of_command(true, Some(0), None), 0);
        assert_eq!(of_command(false, Some(7), None), 7);
        assert_eq!(of_command(false, None, Some(9)), 137);
        assert_eq!(of_command(false, None, None), 1);
        assert_eq!(of_command(false, Some(0), None), 1);
        assert_eq!(of_command(false, Some(-1), None), 1);
    }
}
