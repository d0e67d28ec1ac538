//! The cluster's token: a secret that all coordinators and workers of a fleet share, and nobody else has.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq};
use tonic::metadata::{Ascii, MetadataValue};

use crate::watched::{self, Watched};

/// The shortest token; less can be guessed.
pub const LEAST_TOKEN: usize = 16;
/// How a call carries it (RFC 6750).
const SCHEME: &str = "Bearer ";

/// See the module.
pub struct ClusterToken {
    source: Source,
}

enum Source {
    Memory(Arc<Tokens>),
    File(Watched<Tokens>),
}

/// One token that is sent and all that are accepted: in the middle of a change, two.
struct Tokens {
    sent: MetadataValue<Ascii>,
    accepted: Vec<Vec<u8>>,
}

impl fmt::Debug for ClusterToken {
    /// Never the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterToken")
    }
}

impl ClusterToken {
    /// A token, or several with one on each line: the first is sent, all are accepted.
    ///
    /// # Errors
    /// When there is none, or one cannot be a token.
    pub fn new(text: &str) -> Result<Self, String> {
        Ok(Self { source: Source::Memory(Arc::new(read(text)?)) })
    }

    /// The tokens of a file, which is read again when it changes. What cannot be used then changes nothing.
    ///
    /// # Errors
    /// As those of [`ClusterToken::new`], or when the file cannot be read.
    pub fn file(path: PathBuf) -> Result<Self, String> {
        let read = |files: &[PathBuf]| read(&watched::text(&files[0])?);
        Ok(Self { source: Source::File(Watched::new(vec![path], read)?) })
    }

    /// A token that nobody else knows.
    pub fn random() -> Self {
        let token = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        Self { source: Source::Memory(Arc::new(read(&token).expect("hexadecimal digits are a token"))) }
    }

    /// The value of the `authorization` header.
    pub(crate) fn sent(&self) -> MetadataValue<Ascii> {
        self.tokens().sent.clone()
    }

    /// Whether a value of that header is right. Takes as long for a wrong one as for a right one.
    pub(crate) fn accepts(&self, authorization: &[u8]) -> bool {
        let right = |token: &Vec<u8>| token.as_slice().ct_eq(authorization);
        self.tokens().accepted.iter().map(right).fold(Choice::from(0), |any, one| any | one).into()
    }

    fn tokens(&self) -> Arc<Tokens> {
        match &self.source {
            Source::Memory(tokens) => Arc::clone(tokens),
            Source::File(tokens) => tokens.get(),
        }
    }
}

fn read(text: &str) -> Result<Tokens, String> {
    let tokens: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let Some(first) = tokens.first() else { return Err("there is no token in it".to_owned()) };
    for token in &tokens {
        if token.len() < LEAST_TOKEN {
            return Err(format!("a token must have at least {LEAST_TOKEN} characters"));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token is made of printable ASCII characters without spaces".to_owned());
        }
    }
    let mut sent: MetadataValue<Ascii> =
        format!("{SCHEME}{first}").parse().map_err(|_| "cannot be sent in a header".to_owned())?;
    // Kept out of what is printed of requests, and out of the tables of header compression.
    sent.set_sensitive(true);
    let accepted = tokens.iter().map(|token| format!("{SCHEME}{token}").into_bytes()).collect();
    Ok(Tokens { sent, accepted })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old-0123456789abcdef";
    const NEW: &str = "new-0123456789abcdef";

    fn accepts(token: &ClusterToken, word: &str) -> bool {
        token.accepts(format!("Bearer {word}").as_bytes())
    }

    #[test]
    fn the_first_token_is_sent_and_each_is_accepted() {
        let token = ClusterToken::new(&format!("  {NEW} \r\n\n{OLD}\n")).unwrap();
        assert_eq!(token.sent(), format!("Bearer {NEW}"));
        assert!(token.sent().is_sensitive());
        assert!(accepts(&token, NEW) && accepts(&token, OLD));
    }

    #[test]
    fn nothing_else_is_accepted() {
        let token = ClusterToken::new(NEW).unwrap();
        for wrong in ["", OLD, "new-0123456789abcde", "new-0123456789abcdef ", "NEW-0123456789ABCDEF"] {
            assert!(!accepts(&token, wrong), "{wrong:?}");
        }
        for wrong in ["", NEW, "Bearer", "Bearer ", &format!("Basic {NEW}")] {
            assert!(!token.accepts(wrong.as_bytes()), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_short_empty_or_unprintable_is_no_token() {
        for wrong in ["", " \n\t\n", "short", "0123456789abcde", "0123456789 abcdef", "0123456789abcdé..."] {
            assert!(ClusterToken::new(wrong).is_err(), "{wrong:?}");
        }
        assert!(ClusterToken::new(&format!("{NEW}\nshort")).is_err());
    }

    #[test]
    fn two_random_tokens_differ() {
        assert_ne!(ClusterToken::random().sent(), ClusterToken::random().sent());
    }

    #[test]
    fn a_token_is_never_shown() {
        assert!(!format!("{:?}", ClusterToken::new(NEW).unwrap()).contains(NEW));
    }
}
