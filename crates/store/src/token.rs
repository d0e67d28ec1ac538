//! The text of a token, `dt_<id>_<secret>`, and the only form in which its secret is kept.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "dt_";
/// The public part: hexadecimal digits.
const ID_BYTES: usize = 8;
/// So many random bytes cannot be guessed, which is why a plain hash of them is enough.
const SECRET_BYTES: usize = 32;

/// The SHA-256 of a token's secret part. Does not show itself.
#[derive(Clone, Copy, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash in these bytes; `None` if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Self).ok()
    }

    /// Its bytes, to be stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// Takes as long whatever differs.
impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A token as its holder shows it, with its secret hashed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownToken {
    /// Its public part.
    pub id: String,
    /// Of its secret part.
    pub secret_hash: SecretHash,
}

impl ShownToken {
    /// Draws a new token: its text, which is shown to its holder once, and what is kept of it.
    pub fn draw() -> (String, Self) {
        let id: [u8; ID_BYTES] = rand::random();
        let secret: [u8; SECRET_BYTES] = rand::random();
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let secret = BASE64_URL_SAFE_NO_PAD.encode(secret);
        let text = format!("{PREFIX}{id}_{secret}");
        (text, Self { id, secret_hash: SecretHash::of(&secret) })
    }

    /// Reads a token; `None` if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_id = id.len() == 2 * ID_BYTES && id.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        // As it was written, in its one spelling.
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?;
        let good = is_id && decoded.len() == SECRET_BYTES;
        good.then(|| Self { id: id.to_owned(), secret_hash: SecretHash::of(secret) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_drawn_and_no_two_are_the_same() {
        let (text, token) = ShownToken::draw();
        assert_eq!(ShownToken::parse(&text), Some(token.clone()));
        let (other, _) = ShownToken::draw();
        let other = ShownToken::parse(&other).unwrap();
        assert_ne!(other.id, token.id);
        assert_ne!(other.secret_hash, token.secret_hash);
    }

    #[test]
    fn nothing_else_is_a_token() {
        let (text, token) = ShownToken::draw();
        for wrong in [
            "",
            "dt_",
            "dt__",
            &token.id,
            &text[3..],
            &text[..text.len() - 1],
            &format!("{text}A"),
            &format!("{text}="),
            &format!(" {text}"),
            &text.to_uppercase(),
            &format!("dt_{}_", token.id),
            &text.replacen("dt_", "dt_0", 1),
        ] {
            assert_eq!(ShownToken::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_not_shown_by_what_is_kept() {
        let (text, token) = ShownToken::draw();
        let secret = text.splitn(3, '_').last().unwrap();
        let shown = format!("{token:?}");
        assert!(!shown.contains(secret) && shown.contains('…'), "{shown}");
    }
}
