//! What is wrong with a command line and its settings, collected so that all of it is said at once.

use std::fmt;

/// Where a value came from, so that a problem names what the user must change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag,
    /// The variable of this name.
    Variable(String),
    /// A file, by its name.
    File(String),
    /// Nobody: the default.
    Default,
}

/// Problems, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems(Vec<String>);

impl Problems {
    /// Adds one, said whole.
    pub(crate) fn add(&mut self, problem: impl Into<String>) {
        self.0.push(problem.into());
    }

    /// Adds one with a value. `shown` is `None` for a value that is secret.
    pub(crate) fn value(&mut self, name: &str, origin: &Origin, shown: Option<&str>, message: &str) {
        let shown = shown.map(|value| format!("={}", masked(value).escape_debug())).unwrap_or_default();
        self.add(match origin {
            Origin::Flag => format!("--{name}{shown}: {message}"),
            Origin::Variable(variable) => format!("{variable}{shown}: {message}"),
            Origin::File(file) => format!("{name}{shown} in {file}: {message}"),
            Origin::Default => format!("{name}: {message}"),
        });
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A word as it may be shown. A URL may hold a password, wherever it was put by mistake.
pub(crate) fn masked(word: &str) -> String {
    match word.split_once("://") {
        Some((scheme, rest)) if rest.contains(['@', '?']) => format!("{scheme}://***"),
        _ => word.to_owned(),
    }
}

impl fmt::Display for Problems {
    /// One line each, without a last line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "distrack: {one}"),
            many => {
                write!(f, "distrack: {} problems", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}
