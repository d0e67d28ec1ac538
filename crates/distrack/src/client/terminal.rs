//! What the terminal can show: how wide it is, whether in colours, and whether more than ASCII.

use std::io::IsTerminal;

use crate::settings::Environment;

/// Wide enough for people who look at it later, when it goes to a file.
const ELSEWHERE: u16 = 100;
const LEAST: u16 = 40;

/// Where output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terminal {
    /// Characters in a line.
    pub(super) width: usize,
    /// Whether colours are wanted.
    pub(super) colours: bool,
    /// Whether it takes UTF-8.
    pub(super) unicode: bool,
}

impl Terminal {
    /// Standard output.
    pub(super) fn stdout(environment: &Environment) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let size = terminal_size::terminal_size().filter(|_| is_terminal).map(|(width, _)| width.0);
        Self::of(environment, is_terminal, size)
    }

    fn of(environment: &Environment, is_terminal: bool, size: Option<u16>) -> Self {
        let columns = environment.get("COLUMNS").and_then(|columns| columns.parse().ok());
        let dumb = environment.get("TERM") == Some("dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| environment.get(name));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            width: columns.or(size).unwrap_or(ELSEWHERE).max(LEAST).into(),
            colours: is_terminal && !dumb && environment.get("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    /// The text in a colour, given as the number that terminals know it by.
    pub(super) fn paint(self, text: &str, colour: u8) -> String {
        if self.colours && !text.is_empty() {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], size: Option<u16>) -> Terminal {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Terminal::of(&variables.collect(), size.is_some(), size)
    }

    #[test]
    fn colours_are_for_terminals_whose_user_wants_them() {
        assert!(of(&[("TERM", "xterm")], Some(80)).colours);
        assert!(!of(&[("TERM", "dumb")], Some(80)).colours);
        assert!(!of(&[("NO_COLOR", "1")], Some(80)).colours);
        assert!(of(&[("NO_COLOR", "")], Some(80)).colours, "an empty one is none");
        let elsewhere = of(&[("TERM", "xterm")], None);
        assert_eq!((elsewhere.paint("x", 31), elsewhere.width), ("x".to_owned(), 100));
    }

    #[test]
    fn the_strongest_variable_tells_the_locale() {
        assert!(of(&[("LANG", "de_DE.UTF-8")], None).unicode);
        assert!(of(&[("LC_ALL", "C.utf8"), ("LANG", "C")], None).unicode);
        assert!(!of(&[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")], None).unicode);
        assert!(!of(&[], None).unicode);
    }

    #[test]
    fn the_width_is_the_terminals_unless_it_is_said() {
        assert_eq!(of(&[], Some(132)).width, 132);
        assert_eq!(of(&[("COLUMNS", "60")], Some(132)).width, 60);
        assert_eq!(of(&[("COLUMNS", "1")], None).width, 40);
    }
}
