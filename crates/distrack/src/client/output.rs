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
    let visible = |character: char| match character.is_control() {
        true => character.escape_default().collect::<String>(),
        false => character.to_string(),
    };
    text.chars().map(visible).collect()
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
    fn a_long_text_is_cut_visibly() {
        assert_eq!(short("äöüß", 4), "äöüß");
        assert_eq!(short("äöüßx", 4), "äöü…");
    }
}
