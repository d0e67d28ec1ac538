//! Draws what lasted from when to when as bars below each other, on one axis of time.

mod axis;

use std::time::Duration;

use axis::Axis;
use distrack_core::why::words;

use super::output::short;
use super::terminal::Terminal;

/// What a bar stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Time that passes while nothing happens.
    Wait,
    /// Time on the way to the command.
    Way,
    /// The command.
    Run,
    /// A span of a trace.
    Span,
    /// A span that failed.
    Error,
}

/// A bar.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What stands before it.
    pub(super) label: String,
    /// What it stands for.
    pub(super) kind: Kind,
    /// When it began, in microseconds of any clock that all rows share.
    pub(super) from: i64,
    /// How long it lasted, or has so far, in microseconds.
    pub(super) lasted: i64,
    /// Whether it goes on.
    pub(super) goes_on: bool,
}

impl Row {
    fn to(&self) -> i64 {
        self.from.saturating_add(self.lasted.max(0))
    }

    /// Whether it is a phase, of which the axis is made; spans have their places on it.
    fn is_phase(&self) -> bool {
        matches!(self.kind, Kind::Wait | Kind::Way | Kind::Run)
    }
}

/// Draws rows for a terminal. Zero is where the phases begin, or all rows where there are none.
pub(super) fn draw(rows: &[Row], terminal: Terminal) -> String {
    let phases = rows.iter().filter(|row| row.is_phase()).map(|row| row.from).min();
    let Some(zero) = phases.or_else(|| rows.iter().map(|row| row.from).min()) else { return String::new() };
    let cells: Vec<[String; 3]> = rows.iter().map(|row| cells(row, zero, terminal)).collect();
    let widest = |column: usize| cells.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let label = widest(0).min(terminal.width / 3);
    let (at, took) = (widest(1), widest(2));
    let room = terminal.width.saturating_sub(label + at + took + 6).max(10);
    let axis = Axis::of(rows, room);
    let mut lines: Vec<String> = Vec::new();
    for (row, [name, start, length]) in rows.iter().zip(&cells) {
        let name = short(name, label);
        let name = if terminal.unicode { name } else { name.replace('…', "~") };
        let bar = bar(row, &axis, terminal);
        lines.push(format!("{name:label$}  {start:>at$}  {length:>took$}  {bar}").trim_end().to_owned());
    }
    if rows.iter().any(|row| !axis.is_to_scale(row) && row.kind == Kind::Wait) {
        lines.push(format!("{} a long wait, not to scale", glyph(Kind::Wait, false, terminal.unicode)));
    }
    lines.join("\n")
}

/// The label, the beginning and the length.
fn cells(row: &Row, zero: i64, terminal: Terminal) -> [String; 3] {
    let after = row.from.saturating_sub(zero);
    let sign = if after < 0 { '-' } else { '+' };
    let start = format!("{sign}{}", length(after.saturating_abs(), terminal.unicode));
    let so_far = if row.goes_on { "..." } else { "" };
    [row.label.clone(), start, format!("{}{so_far}", length(row.lasted, terminal.unicode))]
}

/// A length with three digits that matter.
fn length(micros: i64, unicode: bool) -> String {
    let micros = micros.max(0);
    match micros {
        0 => "0".to_owned(),
        1..1000 => format!("{micros} {}", if unicode { "µs" } else { "us" }),
        1000..10_000 => format!("{}.{:02} ms", micros / 1000, micros / 10 % 100),
        10_000..100_000 => format!("{}.{} ms", micros / 1000, micros / 100 % 10),
        100_000..1_000_000 => format!("{} ms", micros / 1000),
        1_000_000..10_000_000 => format!("{}.{:02} s", micros / 1_000_000, micros / 10_000 % 100),
        10_000_000..120_000_000 => format!("{}.{} s", micros / 1_000_000, micros / 100_000 % 10),
        _ => words::span(Duration::from_micros(micros.unsigned_abs())),
    }
}

fn bar(row: &Row, axis: &Axis, terminal: Terminal) -> String {
    let width = axis.width();
    // What is shorter than a character still has one.
    let start = axis.column(row.from).min(width.saturating_sub(1));
    let end = axis.column(row.to()).clamp(start + 1, width.max(start + 1));
    let glyph = if row.lasted == 0 && !row.goes_on {
        '|'
    } else {
        glyph(row.kind, axis.is_to_scale(row), terminal.unicode)
    };
    let mut drawn: String = std::iter::repeat_n(glyph, end - start).collect();
    if row.goes_on {
        drawn.pop();
        drawn.push('>');
    }
    format!("{:start$}{}", "", terminal.paint(&drawn, colour(row.kind)))
}

fn glyph(kind: Kind, to_scale: bool, unicode: bool) -> char {
    match (kind, to_scale, unicode) {
        (Kind::Wait, false, true) => '┄',
        (Kind::Wait, false, false) => '~',
        (Kind::Wait, true, true) => '░',
        (Kind::Wait, true, false) => '.',
        (Kind::Way, _, true) => '▒',
        (Kind::Way, _, false) => '-',
        (Kind::Run, _, true) => '█',
        (Kind::Run, _, false) => '=',
        (Kind::Span | Kind::Error, _, true) => '━',
        (Kind::Span | Kind::Error, _, false) => '*',
    }
}

fn colour(kind: Kind) -> u8 {
    match kind {
        Kind::Wait => 33,
        Kind::Way => 34,
        Kind::Run => 32,
        Kind::Span => 36,
        Kind::Error => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terminal = Terminal { width: 60, colours: false, unicode: false };

    fn row(label: &str, kind: Kind, from: i64, lasted: i64) -> Row {
        Row { label: label.to_owned(), kind, from, lasted, goes_on: false }
    }

    fn task() -> Vec<Row> {
        vec![
            row("submitted", Kind::Wait, 0, 0),
            row("scheduled", Kind::Wait, 0, 20_000),
            row("running", Kind::Run, 20_000, 20_000),
        ]
    }

    #[test]
    fn bars_are_to_scale_and_as_wide_as_the_terminal() {
        let drawn = draw(&task(), PLAIN);
        let expected = [
            "submitted        +0        0  |",
            "scheduled        +0  20.0 ms  ...............",
            "running    +20.0 ms  20.0 ms                 ===============",
        ];
        assert_eq!(drawn.lines().collect::<Vec<_>>(), expected);
        let narrow = draw(&task(), Terminal { width: 44, ..PLAIN });
        assert!(narrow.lines().all(|line| line.chars().count() <= 44), "{narrow}");
    }

    #[test]
    fn a_long_wait_takes_no_more_room_than_what_happens() {
        let mut rows = task();
        rows[1].lasted = 86_400_000_000;
        rows[2].from = 86_400_000_000;
        let drawn = draw(&rows, PLAIN);
        assert!(drawn.contains("24 h  ~~~~~"), "{drawn}");
        assert!(drawn.contains("====="), "{drawn}");
        assert!(drawn.ends_with("~ a long wait, not to scale"), "{drawn}");
    }

    #[test]
    fn what_goes_on_has_an_open_end() {
        let mut rows = task();
        rows[2].goes_on = true;
        let drawn = draw(&rows, PLAIN);
        assert!(drawn.ends_with("==>") && drawn.contains("20.0 ms..."), "{drawn}");
    }

    #[test]
    fn a_span_before_all_phases_begins_the_axis_and_they_are_its_zero() {
        let mut rows = task();
        rows.push(row("POST /schedule", Kind::Span, -1000, 900));
        let drawn = draw(&rows, PLAIN);
        assert!(drawn.lines().last().is_some_and(|line| line.contains("-1.00 ms   900 us  *")), "{drawn}");
        assert!(drawn.starts_with("submitted             +0        0  |"), "{drawn}");
    }

    #[test]
    fn no_span_squeezes_the_phases() {
        const HOURS: i64 = 2 * 3_600_000_000;
        for (from, lasted, offset) in [
            (-HOURS, HOURS + 30_000, "-2 h"),
            (-HOURS, 2 * HOURS, "-2 h"),
            (-HOURS, 5000, "-2 h"),
            (HOURS, 5000, "+2 h"),
            (i64::MIN, 1, "-"),
            (i64::MAX, 1, "+"),
        ] {
            let mut rows = task();
            rows.push(row("far", Kind::Span, from, lasted));
            let drawn = draw(&rows, PLAIN);
            let far = drawn.lines().last().unwrap();
            assert!(far.contains(offset) && far.contains('*'), "{drawn}");
            assert!(drawn.lines().all(|line| line.len() <= PLAIN.width), "{drawn}");
            let run = drawn.matches('=').count();
            assert!(run >= 4, "the phases keep a third of the axis: {drawn}");
        }
    }

    #[test]
    fn a_long_wait_gives_far_spans_no_more_room_either() {
        let mut rows = task();
        rows[1].lasted = 86_400_000_000;
        rows[2].from = 86_400_000_000;
        rows.push(row("far", Kind::Span, -7_200_000_000, 7_200_000_000));
        let drawn = draw(&rows, PLAIN);
        assert!(drawn.contains("===="), "{drawn}");
        assert!(drawn.ends_with("~ a long wait, not to scale"), "{drawn}");
    }

    #[test]
    fn spans_without_phases_have_an_axis_of_their_own() {
        let spans = [row("a", Kind::Span, 1_000_000, 5000), row("b", Kind::Span, 1_005_000, 5000)];
        let drawn = draw(&spans, PLAIN);
        let bars: Vec<_> = drawn.lines().map(|line| line.matches('*').count()).collect();
        assert!(bars[0] == bars[1] && bars[0] > 10, "{drawn}");
        assert!(drawn.starts_with("a        +0  5.00 ms  **"), "{drawn}");
    }

    #[test]
    fn colours_and_more_than_ascii_are_for_those_who_can_see_them() {
        let drawn = draw(&task(), Terminal { colours: true, unicode: true, ..PLAIN });
        assert!(drawn.contains("\u{1b}[32m████"), "{drawn:?}");
        assert!(draw(&task(), PLAIN).is_ascii());
        assert_eq!(draw(&[], PLAIN), "");
    }

    #[test]
    fn lengths_have_three_digits_that_matter() {
        let said = |micros| length(micros, false);
        assert_eq!([0, 7, 1234, 12_345, 123_456].map(said), ["0", "7 us", "1.23 ms", "12.3 ms", "123 ms"]);
        assert_eq!([1_234_567, 12_345_678, 720_000_000].map(said), ["1.23 s", "12.3 s", "12 min"]);
    }
}
