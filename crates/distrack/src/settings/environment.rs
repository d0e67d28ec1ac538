//! The process's environment, read once and handed to whoever needs it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Variables by name. An empty value counts as not set: `${VAR:-}` in a compose file means "not set".
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    /// Names of variables of ours whose values are not UTF-8.
    unreadable: Vec<String>,
}

/// How the names of variables begin that are meant for distrack.
const OURS: [&str; 2] = ["DISTRACK_", "POSTGRES_"];

impl Environment {
    /// The variables of this process.
    pub(crate) fn of_process() -> Self {
        Self::read(std::env::vars_os())
    }

    fn read(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) if OURS.iter().any(|ours| name.starts_with(ours)) => environment.unreadable.push(name),
                Err(_) => {}
            }
        }
        environment
    }

    /// The variables that are meant for distrack and cannot be read.
    pub(crate) fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// A variable's value, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// `$variable`, or the folder `fallback` below the home folder.
    pub(crate) fn folder(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        // An XDG folder that is not absolute is to be ignored, as its specification says.
        let given = self.get(variable).map(PathBuf::from).filter(|path| path.is_absolute());
        given.or_else(|| self.get("HOME").map(|home| PathBuf::from(home).join(fallback)))
    }

    /// The variables whose names begin so.
    pub(crate) fn beginning(&self, with: &str) -> impl Iterator<Item = (String, String)> {
        let named = self.variables.iter().filter(move |(name, _)| name.starts_with(with));
        named.map(|(name, value)| (name.clone(), value.clone()))
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
        Self { variables: variables.into_iter().collect(), unreadable: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn a_variable_of_ours_that_is_not_utf8_is_noted_and_one_of_others_is_not() {
        let bad = || OsString::from_vec(vec![b'a', 0xff]);
        let variables = [("DISTRACK_SLOTS", bad()), ("LS_COLORS", bad()), ("HOME", "/home".into())];
        let read = Environment::read(variables.map(|(name, value)| (name.into(), value)));
        assert_eq!(read.unreadable(), ["DISTRACK_SLOTS"]);
        assert_eq!((read.get("DISTRACK_SLOTS"), read.get("HOME")), (None, Some("/home")));
    }
}
