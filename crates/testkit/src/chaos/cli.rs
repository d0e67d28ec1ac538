//! The command line: `distrack-testkit chaos F7 --seed 42`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::checker::INVARIANTS;
use super::faults::{self, FAULTS, Fault, When};
use super::run::{Options, run};
use super::scenarios;
use super::soak::SOAK;
use super::world::built_program;

/// How it is used.
pub const USAGE: &str = "usage: distrack-testkit chaos [FAULT… | --quick | --all | --list | --scenarios | --soak TASKS] \
                         [--seed N] [--rounds N] [--program PATH] [--keep]";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The faults, in the order in which they are run.
    pub faults: Vec<&'static str>,
    /// Only to be listed.
    pub list: bool,
    /// The table of scenarios, instead of faults.
    pub scenarios: bool,
    /// That many tasks while something is killed every few seconds, instead of faults.
    pub soak: Option<usize>,
    /// How often each scenario is run, if that was given.
    pub rounds: Option<u64>,
    /// The seed, if one was given.
    pub seed: Option<u64>,
    /// The binary, if one was named.
    pub program: Option<PathBuf>,
    /// Whether folders are kept.
    pub keep: bool,
}

/// Reads the arguments after `chaos`.
///
/// # Errors
/// If there is one that nobody knows, or none that says what to do.
pub fn parse(arguments: &[String]) -> Result<Asked> {
    let mut asked = Asked::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (name, given) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            given
                .clone()
                .or_else(|| arguments.next().cloned())
                .with_context(|| format!("{name} needs a value"))
        };
        match name {
            "--list" => asked.list = true,
            "--keep" => asked.keep = true,
            "--scenarios" => asked.scenarios = true,
            "--soak" => asked.soak = Some(value()?.parse().context("--soak is a number of tasks")?),
            "--quick" => asked.faults.extend(those(|when| when == When::Quick)),
            "--all" => asked.faults.extend(those(|when| !matches!(when, When::NotHere(_)))),
            "--rounds" => asked.rounds = Some(value()?.parse().context("--rounds is a number")?),
            "--seed" => asked.seed = Some(value()?.parse().context("--seed is a number")?),
            "--program" => asked.program = Some(value()?.into()),
            id => match faults::find(id) {
                Some(fault) => asked.faults.push(fault.id),
                None => bail!("there is no fault {id}\n{USAGE}"),
            },
        }
    }
    if asked.faults.is_empty() && !asked.list && !asked.scenarios && asked.soak.is_none() {
        bail!(USAGE);
    }
    Ok(asked)
}

fn those(are: fn(When) -> bool) -> impl Iterator<Item = &'static str> {
    FAULTS.iter().filter(move |fault| are(fault.when)).map(|fault| fault.id)
}

/// The list of faults and invariants for a person.
pub fn list() -> String {
    let faults: String = FAULTS.iter().map(line).collect();
    let judged = INVARIANTS.iter().map(|one| format!("{:4} judged   {}\n", one.id, one.says));
    let not_judged = "I16  not here one task for each nominal time: distrack has no recurring schedules\n";
    faults + &judged.collect::<String>() + not_judged
}

fn line(fault: &Fault) -> String {
    match fault.when {
        When::Quick => format!("{:4} quick    {} ({})\n", fault.id, fault.title, fault.extra),
        When::Full => format!("{:4} full     {} ({})\n", fault.id, fault.title, fault.extra),
        When::NotHere(reason) => format!("{:4} not here {}: {reason}\n", fault.id, fault.title),
    }
}

/// Does what is asked for, one fault after the other, and tells each verdict as it comes. True if all was good.
///
/// # Errors
/// If a fleet cannot be started.
pub async fn carry_out(asked: &Asked, mut tell: impl FnMut(&str)) -> Result<bool> {
    if asked.list {
        tell(&list());
        return Ok(true);
    }
    let program = asked.program.clone().or_else(built_program);
    let program = program.context("no distrack beside this program: build it, or give --program")?;
    let program = std::path::absolute(program)?;
    let seed = asked.seed.unwrap_or_else(|| rand::random_range(1..1_000_000));
    tell(&format!("seed {seed}, {}", program.display()));
    let options = Options { keep: asked.keep, ..Options::new(program, seed) };
    if asked.scenarios {
        return scenarios::measure(&options, asked.rounds.unwrap_or(scenarios::ROUNDS), tell).await;
    }
    if let Some(tasks) = asked.soak {
        let verdict = run(&SOAK, &Options { most: Some(tasks), ..options }).await?;
        tell(&verdict.to_string());
        return Ok(verdict.is_good());
    }
    let mut broken: Vec<&str> = Vec::new();
    for fault in asked.faults.iter().filter_map(|id| faults::find(id)) {
        let options = options.clone();
        // A fleet that does not get ready panics, and the others are worth knowing all the same.
        let ran = tokio::spawn(async move { run(fault, &options).await }).await;
        let good = match ran.map_err(anyhow::Error::from).flatten() {
            Ok(verdict) => {
                tell(&verdict.to_string());
                verdict.is_good()
            }
            Err(error) => {
                tell(&format!("{} {}: NOT RUN: {error:#}", fault.id, fault.title));
                false
            }
        };
        if !good {
            broken.push(fault.id);
        }
    }
    let good = asked.faults.len() - broken.len();
    let named = if broken.is_empty() { String::new() } else { format!(", broken: {}", broken.join(" ")) };
    tell(&format!("{good} of {} good{named}", asked.faults.len()));
    Ok(broken.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Asked> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_fault_is_named_with_its_seed() {
        assert_eq!(read("--soak 20000").unwrap().soak, Some(20_000));
        let asked = read("f7 --seed 42 --program=/p --keep").unwrap();
        assert_eq!(asked.faults, ["F7"]);
        assert_eq!((asked.seed, asked.program, asked.keep), (Some(42), Some("/p".into()), true));
    }

    #[test]
    fn all_of_them_are_those_that_can_be_run_here() {
        let all = read("--all").unwrap().faults;
        assert!(all.contains(&"F1") && all.len() > read("--quick").unwrap().faults.len());
        let told = list();
        for number in (1..=38).map(|n| format!("F{n} ")).chain((1..=20).map(|n| format!("I{n} "))) {
            assert!(told.lines().any(|line| line.starts_with(&number)), "{number}");
        }
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        for bad in ["", "F99", "--seed", "--seed x", "--quickly"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
