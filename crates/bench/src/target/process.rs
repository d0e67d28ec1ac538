//! What the kernel counts of a process: processor time and memory. Nothing where there is no `/proc`.

use std::path::Path;

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cpu {
    /// Of the process itself.
    pub(crate) own: f64,
    /// Of its children that have ended: of a worker, the commands.
    pub(crate) children: f64,
}

/// Memory in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident: u64,
    /// The most that was ever resident.
    pub(crate) peak: u64,
}

/// Processor time of a process.
pub(crate) fn cpu(pid: u32) -> Option<Cpu> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    of_stat(&stat, rustix::param::clock_ticks_per_second() as f64)
}

/// Memory of a process.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    of_status(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// Processor time of a process and all its children, those that have ended too: of PostgreSQL, by the server's pid.
pub(crate) fn cpu_of_family(parent: u32) -> Option<f64> {
    let Cpu { own, children } = cpu(parent)?;
    let living: f64 = std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .filter_map(|pid| Some(cpu(pid)?.own))
        .sum();
    Some(own + children + living)
}

/// The parent of a process whose program has this name; of a PostgreSQL's backend, the server.
pub(crate) fn parent_if_named(pid: u32, name: &str) -> Option<u32> {
    let comm = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("comm")).ok()?;
    if comm.trim() == name { parent_of(pid) } else { None }
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    fields(&stat)?.get(1)?.parse().ok()
}

/// The fields behind the name, which may contain anything: state, parent, and so on.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().collect())
}

fn of_stat(stat: &str, ticks: f64) -> Option<Cpu> {
    let fields = fields(stat)?;
    let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / ticks);
    Some(Cpu { own: seconds(11)? + seconds(12)?, children: seconds(13)? + seconds(14)? })
}

fn of_status(status: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Some(Memory { resident: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_whose_name_looks_like_fields_is_read_right() {
        let stat = "42 (a b) 1 (c)) S 7 42 42 0 -1 4194304 90 0 0 0 150 50 30 20 20 0 1 0 1 2 3";
        assert_eq!(of_stat(stat, 100.0), Some(Cpu { own: 2.0, children: 0.5 }));
        assert_eq!(fields(stat).unwrap()[1], "7");
        assert_eq!(of_stat("nonsense", 100.0), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(of_status(status), Some(Memory { resident: 1 << 20, peak: 2 << 20 }));
        assert_eq!(of_status("Name:\tx\n"), None, "a kernel thread has none");
    }
}
