//! Flags, variables and the file, laid over each other: flag > variable > file > default.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::problems::{Origin, Problems};
use super::table::{self, Fallback, Role, SETTINGS, Setting};

/// A setting's value as it was written, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// One item, or several for a list.
    pub(crate) items: Vec<String>,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl Given {
    /// Whether it stands on the command line.
    pub(crate) fn is_flag(&self) -> bool {
        self.origin == Origin::Flag
    }
}

/// The flags of a command line, by setting.
pub(crate) type Flags = BTreeMap<String, Vec<String>>;

/// All layers of one start.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    flags: Flags,
    environment: Environment,
    file: BTreeMap<String, Vec<String>>,
    file_name: String,
}

impl Layers {
    /// Lays the layers; reads the file that `--config` or `DISTRACK_CONFIG` names, if one does.
    pub(crate) fn new(flags: Flags, environment: Environment, problems: &mut Problems) -> Self {
        for name in environment.unreadable() {
            problems.add(format!("{name} is not UTF-8"));
        }
        let mut layers = Self { flags, environment, file: BTreeMap::new(), file_name: String::new() };
        let config = table::find(Role::Up, "config").and_then(|config| layers.given(config));
        let Some((Given { origin, .. }, path)) =
            config.and_then(|given| given.items.last().cloned().map(|path| (given, path)))
        else {
            return layers;
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => layers.file = parse(&text, &path, problems),
            Err(error) => problems.value("config", &origin, Some(&path), &format!("cannot be read: {error}")),
        }
        layers.file_name = path;
        layers
    }

    /// The environment below.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The strongest layer's value; `None` when a setting is given nowhere and its default must be found.
    pub(crate) fn value(&self, setting: &Setting) -> Option<Given> {
        self.given(setting).or_else(|| match setting.default {
            Fallback::Text(text) => Some(Given { items: vec![text.to_owned()], origin: Origin::Default }),
            Fallback::Found(_) => None,
        })
    }

    fn given(&self, setting: &Setting) -> Option<Given> {
        self.flag(setting).or_else(|| self.variable(setting)).or_else(|| self.key(setting))
    }

    fn flag(&self, setting: &Setting) -> Option<Given> {
        let items = self.flags.get(setting.name)?.clone();
        Some(Given { items, origin: Origin::Flag })
    }

    fn variable(&self, setting: &Setting) -> Option<Given> {
        setting.variables().into_iter().find_map(|variable| {
            let value = self.environment.get(&variable)?;
            // Kubernetes sets DISTRACK_COORDINATOR_PORT=tcp://10.0.0.1:8080 for a service of that name.
            if setting.name.ends_with("_port") && value.starts_with("tcp://") {
                return None;
            }
            Some(Given { items: vec![value.to_owned()], origin: Origin::Variable(variable) })
        })
    }

    fn key(&self, setting: &Setting) -> Option<Given> {
        let items = self.file.get(setting.name)?.clone();
        Some(Given { items, origin: Origin::File(self.file_name.clone()) })
    }
}

/// Reads a file's keys. A key that no role knows is a problem; one of another role is not.
fn parse(text: &str, path: &str, problems: &mut Problems) -> BTreeMap<String, Vec<String>> {
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            // Not the error's own text: it shows the line, and a password may be in it.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            problems.add(format!("{path} is not TOML: line {line}: {}", error.message()));
            return BTreeMap::new();
        }
    };
    let mut keys = BTreeMap::new();
    for (key, value) in table {
        let name = key.replace('-', "_");
        let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name && name != "config") else {
            problems.add(format!("{} in {path}: there is no such setting", key.escape_debug()));
            continue;
        };
        match items(value, setting.list) {
            Ok(items) => drop(keys.insert(name, items)),
            Err(message) => problems.add(format!("{key} in {path}: {message}")),
        }
    }
    keys
}

fn items(value: toml::Value, list: bool) -> Result<Vec<String>, &'static str> {
    match value {
        toml::Value::Array(values) if list => values.into_iter().map(scalar).collect(),
        toml::Value::Table(pairs) if list => {
            let pair = |(key, value)| Ok(format!("{key}={}", scalar(value)?));
            pairs.into_iter().map(pair).collect()
        }
        toml::Value::Array(_) | toml::Value::Table(_) => Err("must be one value"),
        toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => scalar(value).map(|item| vec![item]),
    }
}

fn scalar(value: toml::Value) -> Result<String, &'static str> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Float(number) => Ok(number.to_string()),
        toml::Value::Boolean(truth) => Ok(truth.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
            Err("must be a text or a number")
        }
    }
}
