//! Instants as the API takes them, RFC 3339 with any offset, and as it gives them: UTC, milliseconds, `Z`.

use std::fmt;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

const FORM: &str = "an RFC 3339 date and time with an offset, like 2030-01-31T12:00:00.250Z";

/// An instant in a request or an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stamp(pub(crate) DateTime<Utc>);

impl From<DateTime<Utc>> for Stamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at)
    }
}

impl std::str::FromStr for Stamp {
    type Err = String;

    /// Years of four digits only, which is what RFC 3339 has and what a database can keep.
    fn from_str(text: &str) -> Result<Self, String> {
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| format!("must be {FORM}"))?.to_utc();
        // An offset can lead out of the years that it is written with.
        if !(0..=9999).contains(&at.year()) {
            return Err("must be in a year from 0000 to 9999, in UTC too".to_owned());
        }
        Ok(Self(at))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Stamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Stamp, E> {
        text.parse().map_err(E::custom)
    }
}

impl PartialSchema for Stamp {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let schema = ObjectBuilder::new().schema_type(Type::String).format(Some(format));
        schema.examples(["2030-01-31T12:00:00.250Z"]).into()
    }
}

impl ToSchema for Stamp {
    fn name() -> std::borrow::Cow<'static, str> {
        "Instant".into()
    }
}
