//! `distrack-testkit chaos …`: breaks a real fleet on purpose and judges what happened.

#![expect(clippy::print_stdout, reason = "verdicts are what it is for")]

use std::process::ExitCode;

use distrack_testkit::chaos::cli;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = match arguments.split_first() {
        Some((command, rest)) if command == "chaos" => cli::parse(rest),
        Some(_) | None => Err(anyhow::anyhow!(cli::USAGE)),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error:#}");
            return ExitCode::from(2);
        }
    };
    match cli::carry_out(&asked, |text| println!("{text}")).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("distrack-testkit: {error:#}");
            ExitCode::FAILURE
        }
    }
}
