//! The starter alone, for the tests of this crate: what the binary `distrack` is when it is asked to be one.

use std::process::ExitCode;

fn main() -> ExitCode {
    distrack_worker::start_command()
}
