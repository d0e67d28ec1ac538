use proptest::prelude::*;

use super::*;
use crate::cli;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn normalised(text: &str) -> String {
    normalise(words(text), &cli::command()).join(" ")
}

/// What is left, and what is said.
fn matched(text: &str) -> (bool, String) {
    let command = cli::command();
    let mut problems = Problems::default();
    let found = matches(&command, normalise(words(text), &command), &mut problems);
    (matches!(found, Ok(Some(_))), problems.to_string())
}

#[test]
fn hyphens_and_underscores_are_the_same_in_flags() {
    assert_eq!(
        normalised("d worker --worker-port=:1 --drain_timeout 2s"),
        "d worker --worker_port=:1 --drain_timeout 2s"
    );
    assert_eq!(
        normalised("d submit --on_lost=fail --idempotency_key x"),
        "d submit --on-lost=fail --idempotency-key x"
    );
}

#[test]
fn values_and_whatever_follows_a_bare_double_hyphen_stay_as_they_are() {
    assert_eq!(
        normalised("d worker --worker-name=a-b_c --no_such-flag"),
        "d worker --worker_name=a-b_c --no_such-flag"
    );
    assert_eq!(
        normalised("d submit --on_lost=fail -- x --on_lost=y"),
        "d submit --on-lost=fail -- x --on_lost=y"
    );
}

#[test]
fn no_two_flags_differ_only_in_hyphens() {
    fn longs(command: &Command, into: &mut Vec<String>) {
        into.extend(command.get_arguments().filter_map(clap::Arg::get_long).map(str::to_owned));
        command.get_subcommands().for_each(|command| longs(command, into));
    }
    let mut all = Vec::new();
    longs(&cli::command(), &mut all);
    for long in &all {
        let same: Vec<_> = all.iter().filter(|other| fold(other) == fold(long)).collect();
        assert!(same.iter().all(|other| *other == long), "{same:?}");
    }
}

#[test]
fn every_argument_that_nobody_knows_is_named_once() {
    let (some, said) = matched("d worker --bogus value --sluts=3 --scheduler_port :1 stray -x --slots=2");
    assert!(some);
    assert_eq!(
        said,
        "distrack: 5 problems\n  --bogus: there is no such flag\n  --sluts: there is no such flag; did you mean \
         --slots?\n  --scheduler_port: there is no such flag; it is a setting of up, scheduler, not of worker\n  \
         'stray': there is no such argument\n  -x: there is no such flag"
    );
}

#[test]
fn a_flag_without_its_value_is_named() {
    let (some, said) = matched("d worker --queues --slots");
    assert!(some);
    assert!(said.contains("--queues: needs a value") && said.contains("--slots: needs a value"), "{said}");
    let (_, said) = matched("d submit --shell=yes -- x");
    assert_eq!(said, "distrack: --shell: takes no value");
}

#[test]
fn a_command_that_is_none_is_said_with_what_is_near() {
    let (some, said) = matched("d wrker");
    assert!(!some);
    assert!(said.contains("'wrker'") && said.contains("did you mean worker"), "{said}");
    let (_, said) = matched("d submit echo hello");
    assert!(said.contains("put the command after --"), "{said}");
}

#[test]
fn a_url_that_stands_in_a_wrong_place_is_not_shown_with_its_password() {
    for line in [
        "d migrate postgres://me:secret@h/d",
        "d migrate -- postgres://me:secret@h/d",
        "d postgres://me:secret@h/d",
        "d worker postgres://h/d?password=secret",
        "d submit --wait postgres://me:secret@h/d",
    ] {
        let (_, said) = matched(line);
        assert!(said.contains("postgres://***") && !said.contains("secret"), "{line}: {said}");
    }
}

#[test]
fn a_flag_before_the_command_is_told_to_go_behind_it() {
    for line in ["d --config=x worker", "d --config x worker"] {
        let (some, said) = matched(line);
        assert!(some, "{said}");
        assert!(said.starts_with("distrack: --config: goes behind the command"), "{said}");
        assert!(said.contains("distrack worker --config"), "{said}");
    }
    let (_, said) = matched("d --bogus");
    assert_eq!(said, "distrack: --bogus: there is no such flag");
}

#[test]
fn a_limit_to_wait_for_is_told_to_be_part_of_the_flag() {
    let (_, said) = matched("d submit --wait 10s -- true");
    assert_eq!(said, "distrack: '10s': write --wait=10s");
}

#[test]
fn nothing_behind_a_bare_double_hyphen_is_wrong_in_a_submission() {
    let (some, said) = matched("d submit --bogus=1 -- x --bogus=1 --bogus");
    assert!(some);
    assert_eq!(said, "distrack: --bogus: there is no such flag");
    let command = cli::command();
    let mut problems = Problems::default();
    let Ok(Some(left)) = matches(&command, words("d submit --bogus=1 -- x --bogus=1"), &mut problems) else {
        panic!("{problems}");
    };
    let words: Vec<&String> =
        left.subcommand_matches("submit").unwrap().get_many("command").unwrap().collect();
    assert_eq!(words, ["x", "--bogus=1"]);
}

#[test]
fn help_may_be_asked_for_as_a_command() {
    assert_eq!(help(words("d help")), ["d", "--help"]);
    assert_eq!(help(words("d help worker")), ["d", "worker", "--help"]);
    assert_eq!(help(words("d worker help")), ["d", "worker", "help"]);
}

#[test]
fn an_argument_that_is_not_utf8_is_a_problem() {
    use std::os::unix::ffi::OsStringExt;
    let mut problems = Problems::default();
    let args = [OsString::from("d"), OsString::from_vec(vec![b'a', 0xff])];
    texts(args, &mut problems);
    assert!(problems.to_string().contains("argument 1 is not UTF-8"), "{problems}");
}

fn any_word() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "--?[a-z_-]{0,8}(=.{0,4})?",
        prop::sample::select(vec![
            "--",
            "-",
            "--slots",
            "--slots=1",
            "--label",
            "-o",
            "-ojson",
            "--wait",
            "--wait=1s",
            "--shell=x",
            "worker",
            "submit",
            "status",
            "health",
            "--help",
            "-h",
            "--queues",
            "--priority",
            "-1",
            "--follow",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_command_line_makes_it_panic(
        role in prop::sample::select(vec!["worker", "submit", "up", "health", "logs", "list", "migrate", "cancel"]),
        words in prop::collection::vec(any_word(), 0..8),
    ) {
        let args = ["distrack".to_owned(), role.to_owned()].into_iter().chain(words).map(OsString::from);
        let _ = cli::plan(args, crate::settings::Environment::default());
    }

    #[test]
    fn normalising_twice_changes_nothing_more(words in prop::collection::vec(any_word(), 0..8)) {
        let command = cli::command();
        let once = normalise(words, &command);
        prop_assert_eq!(normalise(once.clone(), &command), once);
    }
}
