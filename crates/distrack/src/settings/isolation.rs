//! What commands may do to their worker and its neighbours, as a worker is told.

use std::path::PathBuf;

use distrack_worker::{IsolationSettings, Limits};

use super::reader::Reader;
use super::values;

/// Below this not even a shell starts.
const LEAST_MEMORY: u64 = 16 * 1024 * 1024;
/// A command has three files open before it opens any, and its loader opens more.
const LEAST_OPEN_FILES: i64 = 16;
/// Far beyond what any machine has, and within what every kernel takes.
const MOST: i64 = 1 << 40;

/// Reads all of it.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<IsolationSettings> {
    let no_new_privs = reader.one("no_new_privs", values::switch);
    let means = reader.one("isolation", str::parse);
    let limits = Limits {
        memory: reader.one("limit_memory", |text| {
            values::bytes(text).and_then(|bytes| {
                if bytes < LEAST_MEMORY { Err("must be at least 16M".to_owned()) } else { Ok(bytes) }
            })
        }),
        processes: reader.one("limit_processes", |text| count(text, 1)),
        file_size: reader.one("limit_file_size", values::bytes),
        cpu_seconds: reader.one("limit_cpu_seconds", |text| count(text, 1)),
        open_files: reader.one("limit_open_files", |text| count(text, LEAST_OPEN_FILES)),
    };
    let run_as = reader.one("run_as", |text| match text.split(':').collect::<Vec<_>>().as_slice() {
        [user] | [user, _] if user.is_empty() => Err("must be USER or USER:GROUP".to_owned()),
        [_] => Ok(text.to_owned()),
        [_, group] if !group.is_empty() => Ok(text.to_owned()),
        _ => Err("must be USER or USER:GROUP".to_owned()),
    });
    let allow_command = reader.many("allow_command", programs).unwrap_or_default();
    Some(IsolationSettings { no_new_privs: no_new_privs?, means: means?, limits, run_as, allow_command })
}

fn count(text: &str, least: i64) -> Result<u64, String> {
    values::number(text, least, MOST)
        .and_then(|count| u64::try_from(count).map_err(|error| error.to_string()))
}

/// A list that was given and names nothing would allow everything: it is a mistake.
fn programs(texts: &[String]) -> Result<Vec<PathBuf>, String> {
    let program = |item: &str| match PathBuf::from(item) {
        path if path.is_absolute() => Ok(path),
        _ => Err(format!("'{}' must be an absolute path", item.escape_debug())),
    };
    let programs = values::all(values::items(texts).into_iter().map(program))?;
    if programs.is_empty() { Err("must name a program".to_owned()) } else { Ok(programs) }
}
