//! A JSON object and nothing else. A derived struct would also be read from an array, field by field, and a
//! map would quietly keep the last of two values.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use distrack_core::Secret;
use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A `T` that is read from an object only.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

struct Reader<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

/// Reads names with their values, each name once.
pub(crate) fn of_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_map(Names)
}

/// Reads names with their secrets, each name once. Serde's own complaints quote what they found; these do not.
pub(crate) fn of_secrets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Secret>, D::Error> {
    let texts = of_text(deserializer).map_err(|error| match error.to_string() {
        twice if twice.starts_with("duplicate field `") => error,
        _ => D::Error::custom("must be an object of texts"),
    })?;
    Ok(texts.into_iter().map(|(name, text)| (name, Secret::new(text))).collect())
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            if all.contains_key(&name) {
                // In the words of serde, which the reader of bodies knows.
                return Err(A::Error::custom(format_args!("duplicate field `{}`", name.escape_default())));
            }
            all.insert(name, value);
        }
        Ok(all)
    }
}
