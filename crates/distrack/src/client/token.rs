//! The token that a command shows to the scheduler: from a variable or a file, never from an argument, which everybody
//! on the machine can read.

use reqwest::header::HeaderValue;

use crate::settings::Reader;

/// A token as a header, which does not show itself.
#[derive(Clone, Debug)]
pub(crate) struct Token(HeaderValue);

impl Token {
    /// The one that `--token_file` names, else that of the variable, else that of a file named elsewhere.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let variable = reader.layers().environment().get("DISTRACK_TOKEN");
        let by_flag = reader.given("token_file").is_some_and(|given| given.is_flag());
        match variable {
            Some(text) if !by_flag => {
                let token = Self::parse(text);
                token.map_err(|problem| reader.problems().add(format!("DISTRACK_TOKEN {problem}"))).ok()
            }
            Some(_) | None => reader.one("token_file", |path| {
                let text =
                    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
                Self::parse(&text).map_err(|problem| format!("what is in it {problem}"))
            }),
        }
    }

    /// Reads a token; a problem never repeats it.
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::try_from(format!("Bearer {text}")).ok().filter(|_| plain);
        let mut header = header.ok_or("must be one token, such as distrack token create prints")?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// The value of `Authorization`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_show_itself_and_neither_does_a_wrong_one() {
        let token = Token::parse(" dt_ab_secret\n").unwrap();
        assert_eq!(token.header(), "Bearer dt_ab_secret");
        assert!(!format!("{token:?}").contains("secret"));
        for wrong in ["", "\n", "two secret", "dt_secr\u{e9}t", "secret\nsecret"] {
            assert!(!Token::parse(wrong).unwrap_err().contains("secr"), "{wrong}");
        }
    }
}
