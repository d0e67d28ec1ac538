//! A text that is handed on and never shown: no line of a log, no error and no `{:?}` has it.

use std::fmt;

/// The value of a secret variable. It has no `Display` and no serialised form of its own: whoever writes it down
/// says so, by [`expose`](Self::expose) or by [`exposed`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for whoever hands it on.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text itself.
    pub fn into_exposed(self) -> String {
        self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Named secrets as an object of texts, where they are stored or counted. For `#[serde(with = …)]`.
pub mod exposed {
    use std::collections::BTreeMap;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Secret;

    /// Writes them in the clear.
    ///
    /// # Errors
    /// Those of `serializer`.
    pub fn serialize<S: Serializer>(
        secrets: &BTreeMap<String, Secret>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(secrets.iter().map(|(name, secret)| (name, secret.expose())))
    }

    /// Reads them.
    ///
    /// # Errors
    /// When they are no object of texts; unlike serde's own words, the error quotes nothing of what it found.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Secret>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(deserializer)
            .map_err(|_| D::Error::custom("secrets must be an object of texts"))?;
        Ok(texts.into_iter().map(|(name, text)| (name, Secret(text))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_no_debug_output() {
        let shown = format!("{:?} {:#?}", Secret::new("hunter2"), Some(Secret::new("hunter2")));
        assert!(shown.contains('…') && !shown.contains("hunter2"), "{shown}");
    }
}
