//! How a message is shown that carries variables of users: their names, and no value.

use std::fmt;

use crate::v1;

impl fmt::Debug for v1::Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whole, so that a new field must be decided upon here.
        let Self { program, env, cwd, timeout_ms, fail_on_output_limit, env_secret } = self;
        f.debug_struct("Command")
            .field("program", program)
            .field("env", &env.keys())
            .field("cwd", cwd)
            .field("timeout_ms", timeout_ms)
            .field("fail_on_output_limit", fail_on_output_limit)
            .field("env_secret", &env_secret.keys())
            .finish()
    }
}

impl fmt::Debug for v1::command::Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => f.debug_tuple("Line").field(line).finish(),
            Self::Argv(argv) => f.debug_tuple("Argv").field(argv).finish(),
            Self::Noop(_) => f.write_str("Noop"),
        }
    }
}
