//! Writes answers for people and programs to standard output.

use std::io::{self, Write};

use serde_json::Value;

use super::api::Answer;
use super::failure::Failure;

/// How a command shows its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// The API's answer, unchanged.
    Json,
}

impl Format {
    /// Reads the value of `-o`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ => Err("must be table or json".to_owned()),
        }
    }
}

/// Writes bytes as they are.
pub(crate) fn bytes(to: &mut dyn Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

/// Writes a text and a line break.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    bytes(&mut io::stdout().lock(), format!("{text}\n").as_bytes())?;
    Ok(())
}

/// Writes an answer as it came.
pub(crate) fn json(answer: &Answer) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    bytes(&mut out, answer.raw.trim_ascii_end())?;
    bytes(&mut out, b"\n")?;
    Ok(())
}

/// Columns, each as wide as its widest cell; the last one as long as it is.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.max().unwrap_or(0).max(head[column].len())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

/// The fields that an object has, one on each line, in the order of `names`.
pub(crate) fn fields(object: &Value, names: &[&str]) -> String {
    let present = names.iter().map(|name| (*name, cell(object, name))).filter(|(_, text)| text != "-");
    let rows: Vec<_> = present.collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, text)| format!("{name:width$}  {text}")).collect::<Vec<_>>().join("\n")
}

/// A field as text on one line; `-` when there is none.
pub(crate) fn cell(object: &Value, name: &str) -> String {
    match object.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(value) => show(value),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => plain(text),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(item).collect::<Vec<_>>().join(" "),
        Value::Object(pairs) if pairs.is_empty() => "-".to_owned(),
        Value::Object(pairs) => {
            let pair = |(key, value): (&String, &Value)| format!("{}={}", plain(key), show(value));
            pairs.iter().map(pair).collect::<Vec<_>>().join(",")
        }
    }
}

/// An item of a list, quoted as a shell would need it when it would not look like one item.
fn item(value: &Value) -> String {
    let shown = show(value);
    let is_plain = !shown.is_empty() && !shown.contains([' ', '\'', '"']);
    if is_plain { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}

/// Control characters made visible: what a user submitted must not steer the terminal of another one.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// The same for what a command printed, whose lines and tabs stay; what is no UTF-8 is replaced.
pub(crate) fn plain_lines(bytes: &[u8]) -> String {
    let shown = |character| match character {
        '\n' | '\t' => String::from(character),
        other => visible(other),
    };
    String::from_utf8_lossy(bytes).replace("\r\n", "\n").chars().map(shown).collect()
}

/// Also what turns the direction of writing, so that a line reads as another one.
fn visible(character: char) -> String {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if character.is_control() || turns { character.escape_default().collect() } else { character.into() }
}

/// At most `most` characters, the cut marked.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let rows = [
            vec!["a".to_owned(), "längst".to_owned(), String::new()],
            vec!["bbb".into(), "x".into(), "y".into()],
        ];
        assert_eq!(table(&["ID", "NAME", "Z"], &rows), "ID   NAME    Z\na    längst\nbbb  x       y");
    }

    #[test]
    fn a_command_cannot_steer_the_terminal_of_whoever_lists_it() {
        let task = json!({"command": "echo '\u{1b}[2J'\nrm", "labels": {"a": "1", "b": "2"}, "error": null});
        assert_eq!(cell(&task, "command"), "echo '\\u{1b}[2J'\\nrm");
        assert_eq!(fields(&task, &["error", "labels", "none"]), "labels  a=1,b=2");
        let argv = json!({"argv": ["sh", "-c", "a b", "x"]});
        assert_eq!(cell(&argv, "argv"), "sh -c 'a b' x");
    }

    #[test]
    fn an_output_keeps_its_lines_and_nothing_that_steers_the_terminal() {
        let printed = b"a\tb\r\n\x1b]0;title\x07\x1b[2Jc\rd\xc2\x9b31m\xff\n";
        assert_eq!(plain_lines(printed), "a\tb\n\\u{1b}]0;title\\u{7}\\u{1b}[2Jc\\rd\\u{9b}31m\u{fffd}\n");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn a_long_text_is_cut_visibly() {
        assert_eq!(short("äöüß", 4), "äöüß");
        assert_eq!(short("äöüßx", 4), "äöü…");
    }
}
