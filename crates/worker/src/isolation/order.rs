//! What the starter is told: a command and what it may do. Written by the worker, read by the starter, which is
//! the same program.
//!
//! It goes through a socket, not through arguments or an environment: others can read the first, and the second
//! could make the loader of the starter do something before it has given up its rights.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::limits::Limits;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// The program's path; `None` for a trial, which ends before any program.
    pub(crate) program: Option<PathBuf>,
    /// Its arguments, the first of which is its name.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Where it runs.
    pub(crate) cwd: Option<PathBuf>,
    /// The folder of the control group to join.
    pub(crate) cgroup: Option<PathBuf>,
    /// The resource limits to set.
    pub(crate) limits: Limits,
    /// Whom to become.
    pub(crate) user: Option<Ids>,
}

/// The numbers of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The user's.
    pub(crate) uid: u32,
    /// Its group's.
    pub(crate) gid: u32,
    /// Of all its groups.
    pub(crate) groups: Vec<u32>,
}

impl Order {
    /// A letter, a value and a zero byte for each thing that is set.
    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut put = |letter: u8, value: &[u8]| {
            if value.contains(&0) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "nul byte found in provided data"));
            }
            out.push(letter);
            out.extend_from_slice(value);
            out.push(0);
            Ok(())
        };
        for (letter, path) in [(b'p', &self.program), (b'd', &self.cwd), (b'c', &self.cgroup)] {
            path.iter().try_for_each(|path| put(letter, path.as_os_str().as_bytes()))?;
        }
        self.arguments.iter().try_for_each(|argument| put(b'a', argument.as_bytes()))?;
        self.env.iter().try_for_each(|(name, value)| put(b'e', format!("{name}={value}").as_bytes()))?;
        let mut number = |letter, number: u64| put(letter, number.to_string().as_bytes());
        let limits = &self.limits;
        for (letter, limit) in [
            (b'M', limits.memory),
            (b'P', limits.processes),
            (b'F', limits.file_size),
            (b'C', limits.cpu_seconds),
            (b'O', limits.open_files),
        ] {
            limit.iter().try_for_each(|limit| number(letter, *limit))?;
        }
        if let Some(user) = &self.user {
            number(b'u', user.uid.into())?;
            number(b'g', user.gid.into())?;
            user.groups.iter().try_for_each(|group| number(b'G', (*group).into()))?;
        }
        Ok(out)
    }

    /// Reads what [`Order::encode`] wrote. Whatever is not exactly that is refused: an order that is half
    /// understood would be half of the limits.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut order = Self::default();
        let mut ids = Ids::default();
        let mut seen = (false, false);
        for item in bytes.strip_suffix(&[0])?.split(|byte| *byte == 0) {
            let (letter, value) = item.split_first()?;
            let path = || Some(PathBuf::from(OsString::from_vec(value.to_vec())));
            let text = || String::from_utf8(value.to_vec()).ok();
            let number = || std::str::from_utf8(value).ok()?.parse::<u64>().ok();
            let id = || u32::try_from(number()?).ok();
            match letter {
                b'p' => order.program = path(),
                b'd' => order.cwd = path(),
                b'c' => order.cgroup = path(),
                b'a' => order.arguments.push(text()?),
                b'e' => {
                    let text = text()?;
                    let (name, value) = text.split_once('=')?;
                    order.env.insert(name.to_owned(), value.to_owned());
                }
                b'M' => order.limits.memory = Some(number()?),
                b'P' => order.limits.processes = Some(number()?),
                b'F' => order.limits.file_size = Some(number()?),
                b'C' => order.limits.cpu_seconds = Some(number()?),
                b'O' => order.limits.open_files = Some(number()?),
                b'u' => (ids.uid, seen.0) = (id()?, true),
                b'g' => (ids.gid, seen.1) = (id()?, true),
                b'G' => ids.groups.push(id()?),
                _ => return None,
            }
        }
        order.user = match seen {
            (true, true) => Some(ids),
            (false, false) if ids.groups.is_empty() => None,
            _ => return None,
        };
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Order {
        Order {
            program: Some("/bin/sh".into()),
            arguments: ["sh", "-c", "echo \"ä\"\n", ""].map(str::to_owned).into(),
            env: [("A".to_owned(), "b=c".to_owned()), ("E".to_owned(), String::new())].into(),
            cwd: Some("/tmp".into()),
            cgroup: Some("/sys/fs/cgroup/x".into()),
            limits: Limits {
                memory: Some(1),
                processes: Some(2),
                file_size: Some(3),
                cpu_seconds: Some(4),
                open_files: Some(u64::MAX),
            },
            user: Some(Ids { uid: 7, gid: 8, groups: vec![8, 9] }),
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        for order in
            [full(), Order { limits: Limits { memory: Some(5), ..Limits::default() }, ..Order::default() }]
        {
            assert_eq!(Order::decode(&order.encode().unwrap()), Some(order));
        }
    }

    #[test]
    fn an_order_that_is_cut_or_foreign_is_refused_whole() {
        let bytes = full().encode().unwrap();
        assert_eq!(Order::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Order::decode(b"x1\0"), None);
        assert_eq!(Order::decode(b"u7\0"), None, "a user without a group");
        assert_eq!(Order::decode(b""), None);
        let forged = Order { arguments: vec!["a\0u0".to_owned()], ..full() };
        assert!(forged.encode().is_err());
    }
}
