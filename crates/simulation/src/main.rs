//! `distrack-simulation [--seed N | --seeds N]`: runs the simulation of one seed, or of so many, each in a process of its
//! own, since the randomness of a process is decided once.

#![expect(clippy::print_stdout, reason = "what it found is what it is for")]

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rand::SeedableRng;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--seed", seed] => one(seed.parse().context("a seed is a number")?),
        ["--seeds", count] => many(count.parse().context("--seeds takes a number")?),
        _ => bail!("usage: distrack-simulation --seed SEED | --seeds COUNT"),
    }
}

fn one(seed: u64) -> Result<ExitCode> {
    mad_turmoil::rand::set_rng(SeedableRng::seed_from_u64(seed));
    let report = distrack_simulation::simulate(seed)?;
    println!("seed {seed}: {} attempts, fingerprint {:016x}", report.attempts, report.fingerprint);
    if report.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("what went wrong:\n  {}", report.faults.join("\n  "));
    println!("what must not be:\n- {}", report.violations.join("\n- "));
    println!("again: cargo run -p distrack-simulation -- --seed {seed}");
    Ok(ExitCode::FAILURE)
}

fn many(count: u64) -> Result<ExitCode> {
    let own = std::env::current_exe()?;
    let mut code = ExitCode::SUCCESS;
    for seed in (0..count).map(|_| rand::random::<u32>()) {
        let status = std::process::Command::new(&own).args(["--seed", &seed.to_string()]).status()?;
        if !status.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
