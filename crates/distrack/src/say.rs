//! Words for a person, on standard error.

use std::fmt::Display;
use std::io::{self, Write};

/// Says something. That nobody reads it, such as a closed pipe, is no reason to end: `eprintln!` would panic.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
