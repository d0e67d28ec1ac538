//! Instants of the database, as the API writes them.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Deserializer};

/// An instant by the database's clock, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub(crate) i64);

impl Stamp {
    /// Seconds from `earlier` to this one.
    pub(crate) fn seconds_since(self, earlier: Self) -> f64 {
        self.since(earlier) as f64 / 1e6
    }

    /// Microseconds from `earlier` to this one.
    pub(crate) fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// This one, so many microseconds later.
    pub(crate) fn plus(self, micros: i64) -> Self {
        Self(self.0 + micros)
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(at.timestamp_micros()))
    }
}
