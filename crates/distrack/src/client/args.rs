//! Takes the flags of a client command out of clap's matches and notes what is wrong with them.

use chrono::{DateTime, Utc};
use clap::ArgMatches;
use distrack_core::TaskId;

use crate::settings::Problems;

/// Reads one command's flags.
pub(crate) struct Args<'a> {
    matches: &'a ArgMatches,
    problems: &'a mut Problems,
}

impl<'a> Args<'a> {
    /// Starts reading.
    pub(crate) fn new(matches: &'a ArgMatches, problems: &'a mut Problems) -> Self {
        Self { matches, problems }
    }

    /// Where problems go.
    pub(crate) fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// Whether a switch is given.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.matches.get_flag(name)
    }

    /// The text of a flag.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.matches.get_one::<String>(name).cloned()
    }

    /// Every text of a flag or of positional arguments.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.matches.get_many::<String>(name).into_iter().flatten().cloned().collect()
    }

    /// A flag's value; `None` when it is not given, or wrong, which is noted.
    pub(crate) fn one<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        self.parse(name, &text, parse)
    }

    /// All values of a flag that may be given several times. Wrong ones are noted and left out.
    pub(crate) fn many<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        self.texts(name).iter().filter_map(|text| self.parse(name, text, &parse)).collect()
    }

    /// The task that a command is about.
    pub(crate) fn task(&mut self) -> Option<TaskId> {
        self.tasks().into_iter().next()
    }

    /// The tasks that a command is about; none is a problem.
    pub(crate) fn tasks(&mut self) -> Vec<TaskId> {
        let texts = self.texts("task_id");
        if texts.is_empty() {
            self.problems.add("the task id is missing; distrack submit and distrack list show it");
        }
        let id = |text: &String| {
            let parsed = text.parse().ok();
            if parsed.is_none() {
                self.problems.add(format!("'{}': must be a task id, which is a UUID", text.escape_debug()));
            }
            parsed
        };
        texts.iter().filter_map(id).collect()
    }

    fn parse<T>(
        &mut self,
        name: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let note = |message| self.problems.add(format!("--{name}={}: {message}", text.escape_debug()));
        parse(text).map_err(note).ok()
    }
}

/// Reads an instant.
pub(crate) fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc()).map_err(|_| {
        "must be an instant such as 2030-01-31T09:30:00Z or 2030-01-31T09:30:00+02:00".to_owned()
    })
}
