//! The process's environment, read once and handed to whoever needs it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Variables by name. Values that are not UTF-8, or empty, count as not set: `${VAR:-}` in a compose file
/// means "not set".
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process.
    pub(crate) fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's value, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `$variable`, or the folder `fallback` below the home folder.
    pub(crate) fn folder(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        // An XDG folder that is not absolute is to be ignored, as its specification says.
        let given = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        given.or_else(|| self.get("HOME").map(|home| PathBuf::from(home).join(fallback)))
    }

    /// The variables that every command gets.
    pub(crate) fn for_commands(&self) -> BTreeMap<String, String> {
        ["PATH", "HOME", "LANG", "TZ", "TMPDIR"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.get(name)?.to_owned())))
            .collect()
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}
