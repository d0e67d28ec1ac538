//! Takes one role's settings out of the layers, one by one, and collects what is wrong with them.

use super::layers::{Given, Layers};
use super::problems::Problems;
use super::table::{self, Role};

/// Reads the settings of one role.
pub(crate) struct Reader<'a> {
    role: Role,
    layers: &'a Layers,
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// Starts reading.
    pub(crate) fn new(role: Role, layers: &'a Layers, problems: &'a mut Problems) -> Self {
        Self { role, layers, problems }
    }

    /// The layers below.
    pub(crate) fn layers(&self) -> &'a Layers {
        self.layers
    }

    /// Where problems go.
    pub(crate) fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// The setting as it was written; `None` when it is given nowhere and has no default of its own.
    pub(crate) fn given(&self, name: &str) -> Option<Given> {
        let setting = table::find(self.role, name);
        debug_assert!(setting.is_some(), "{} does not take {name}", self.role.command());
        self.layers.value(setting?)
    }

    /// Reads one value. `None` when there is none, or it is wrong, which is noted.
    pub(crate) fn one<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.many(name, |items| parse(items.last().map_or("", String::as_str)))
    }

    /// Reads all values of a list. `None` as with [`Reader::one`].
    pub(crate) fn many<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&[String]) -> Result<T, String>,
    ) -> Option<T> {
        let Given { items, origin } = self.given(name)?;
        let shown = (name != "database_url").then(|| items.join(","));
        let note = |message: String| self.problems.value(name, &origin, shown.as_deref(), &message);
        parse(&items).map_err(note).ok()
    }
}
