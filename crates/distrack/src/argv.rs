//! From raw arguments to clap's matches: hyphens and underscores are the same in flags, and every argument that
//! nobody knows is named, not only the first.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Command};

use crate::settings::{Problems, masked, table};

/// Nothing to match: help was asked for.
pub(crate) struct Help(pub(crate) clap::Error);

/// Reads arguments as text; what is not UTF-8 is a problem.
pub(crate) fn texts(args: impl IntoIterator<Item = OsString>, problems: &mut Problems) -> Vec<String> {
    let text = |(index, arg): (usize, OsString)| {
        arg.into_string().unwrap_or_else(|arg| {
            let shown = masked(&arg.to_string_lossy());
            problems.add(format!("argument {index} is not UTF-8: {}", shown.escape_debug()));
            arg.to_string_lossy().into_owned()
        })
    };
    args.into_iter().enumerate().map(text).collect()
}

/// `distrack help COMMAND` is `distrack COMMAND --help`.
pub(crate) fn help(mut args: Vec<String>) -> Vec<String> {
    if args.get(1).is_some_and(|first| first == "help") {
        args.truncate(3);
        args.remove(1);
        args.push("--help".to_owned());
    }
    args
}

/// Spells each known flag before a bare `--` as the command has it.
pub(crate) fn normalise(args: Vec<String>, command: &Command) -> Vec<String> {
    let mut spellings = BTreeMap::new();
    collect(command, &mut spellings);
    let mut verbatim = false;
    let spell = |arg: String| {
        verbatim |= arg == "--";
        let Some(flag) = arg.strip_prefix("--").filter(|_| !verbatim) else { return arg };
        let (name, value) = flag.find('=').map_or((flag, ""), |at| flag.split_at(at));
        spellings.get(&fold(name)).map_or_else(|| arg.clone(), |known| format!("--{known}{value}"))
    };
    args.into_iter().map(spell).collect()
}

fn collect(command: &Command, spellings: &mut BTreeMap<String, String>) {
    for long in command.get_arguments().filter_map(clap::Arg::get_long) {
        spellings.insert(fold(long), long.to_owned());
    }
    command.get_subcommands().for_each(|subcommand| collect(subcommand, spellings));
}

fn fold(name: &str) -> String {
    name.replace('_', "-")
}

/// Matches the arguments. Whatever nobody knows is noted and left out, until the rest matches; `None` when
/// no rest is worth matching.
pub(crate) fn matches(
    command: &Command,
    args: Vec<String>,
    problems: &mut Problems,
) -> Result<Option<ArgMatches>, Help> {
    let subcommand = chosen(command, &args).map(str::to_owned).unwrap_or_default();
    let mut args: Vec<Word> = args.into_iter().map(|text| Word { text, orphan: false }).collect();
    loop {
        let attempt = command.clone().try_get_matches_from(args.iter().map(|word| &word.text));
        let error = match attempt {
            Ok(matches) => return Ok(Some(matches)),
            Err(error) => error,
        };
        let shows_help = matches!(
            error.kind(),
            ErrorKind::DisplayHelp
                | ErrorKind::DisplayVersion
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        let for_want_of_a_command = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        if for_want_of_a_command && !problems.is_empty() {
            return Ok(None);
        }
        if shows_help {
            return Err(Help(error));
        }
        let Some(at) = offender(&error, &args, &subcommand) else {
            problems.add(first_line(&error));
            return Ok(None);
        };
        let word = args.remove(at);
        if !word.orphan {
            let before: Vec<_> = args.iter().take(at).map(|word| &*word.text).collect();
            problems.add(
                misplaced(command, &word.text, &before, &subcommand)
                    .unwrap_or_else(|| describe(&error, &word.text, &subcommand)),
            );
        }
        // What follows an unknown flag may be its value, and is no second mistake.
        let may_be_value = error.kind() == ErrorKind::UnknownArgument
            && word.text.starts_with('-')
            && !word.text.contains('=');
        if let Some(next) = args.get_mut(at).filter(|_| may_be_value) {
            next.orphan = true;
        }
    }
}

struct Word {
    text: String,
    orphan: bool,
}

/// The subcommand that the arguments name, wherever it stands.
fn chosen<'a>(command: &Command, args: &'a [String]) -> Option<&'a str> {
    let mut own = args.iter().skip(1).map(String::as_str).take_while(|arg| *arg != "--");
    own.find(|arg| command.find_subcommand(arg).is_some())
}

/// Which argument an error is about.
fn offender(error: &clap::Error, args: &[Word], subcommand: &str) -> Option<usize> {
    if error.kind() == ErrorKind::InvalidSubcommand {
        // The value of a flag that nobody knows here.
        return args.get(1).is_some_and(|word| word.orphan).then_some(1);
    }
    let named = context(error, ContextKind::InvalidArg)?;
    // Clap names a flag with its value, such as `--slots <N>`, and an unknown one as it stands.
    let flag = named.split([' ', '[', '=']).next().unwrap_or_default();
    // What follows a bare `--` is never wrong in a command that is to be submitted.
    let end = args.iter().position(|word| word.text == "--").unwrap_or(args.len());
    let (own, behind) = args.split_at(end);
    let behind = if subcommand == "submit" { &[] } else { behind };
    let exact = |word: &Word| word.text == named;
    let same_flag = |word: &Word| {
        let name = word.text.split('=').next().unwrap_or_default();
        let short = flag.len() == 2 && name.starts_with(flag) && !name.starts_with("--");
        flag.starts_with('-') && (name == flag || short)
    };
    let last = |list: &[Word], is: &dyn Fn(&Word) -> bool| list.iter().rposition(is).filter(|at| *at > 0);
    last(own, &exact)
        .or_else(|| behind.iter().rposition(exact).map(|at| end + at))
        .or_else(|| last(own, &same_flag))
}

/// What is said of a word that would be right elsewhere. `before` is what stands before it.
fn misplaced(command: &Command, word: &str, before: &[&str], subcommand: &str) -> Option<String> {
    let name = word.split('=').next().unwrap_or_default();
    let takers = command.find_subcommand(subcommand);
    let mut longs = takers.into_iter().flat_map(Command::get_arguments).filter_map(clap::Arg::get_long);
    if !before.contains(&subcommand) && longs.any(|long| name.strip_prefix("--") == Some(long)) {
        return Some(format!(
            "{name}: goes behind the command, as in: distrack {subcommand} {}",
            masked(word)
        ));
    }
    if subcommand == "submit" && before.last() == Some(&"--wait") && !word.starts_with('-') {
        return Some(format!("'{0}': write --wait={0}", masked(word).escape_debug()));
    }
    None
}

fn describe(error: &clap::Error, word: &str, subcommand: &str) -> String {
    let name = word.split('=').next().unwrap_or_default();
    if error.kind() == ErrorKind::TooManyValues {
        return format!("{name}: takes no value");
    }
    if error.kind() != ErrorKind::UnknownArgument {
        return format!("{name}: needs a value");
    }
    if name.starts_with('-') {
        return format!("{name}: there is no such flag{}", hint(error, name, subcommand));
    }
    let word = masked(word);
    let word = word.escape_debug();
    match subcommand {
        "submit" => format!("'{word}': put the command after --, as in: distrack submit -- echo hello"),
        _ => format!("'{word}': there is no such argument"),
    }
}

/// Whose flag an unknown one is, or which one it resembles.
fn hint(error: &clap::Error, name: &str, subcommand: &str) -> String {
    let takers = table::takers(&name.trim_start_matches('-').replace('-', "_"));
    if !takers.is_empty() {
        let takers: Vec<_> = takers.into_iter().map(table::Role::command).collect();
        return match subcommand {
            "" => format!("; it is a setting of {} and goes behind the command", takers.join(", ")),
            _ => format!("; it is a setting of {}, not of {subcommand}", takers.join(", ")),
        };
    }
    let similar = context(error, ContextKind::SuggestedArg);
    similar.map(|similar| format!("; did you mean {similar}?")).unwrap_or_default()
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let value = error.get(kind)?;
    if let ContextValue::String(text) = value {
        return Some(text.clone());
    }
    // The likeliest suggestion comes last.
    if let ContextValue::Strings(texts) = value { texts.last().cloned() } else { None }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let line = line.split(' ').map(masked).collect::<Vec<_>>().join(" ");
    match context(error, ContextKind::SuggestedSubcommand) {
        Some(similar) => format!("{line}; did you mean {similar}?"),
        None => line,
    }
}

#[cfg(test)]
#[path = "argv_tests.rs"]
mod tests;
