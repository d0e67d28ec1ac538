//! Which programs a worker runs, for those who want no raw shell.
//!
//! A program counts as the file that it is, not as the name by which it is called: through `PATH` and links, the
//! folder's as well as its own. What is run is that file, under that name, so that a program of many names
//! cannot be talked into another one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use distrack_core::Program;

/// Variables by which whoever names them, rather than the program, decides what is run.
const SMUGGLERS: &[&str] = &[
    "PATH",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "IFS",
    "PS4",
    "CDPATH",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "PERL5LIB",
    "PERLLIB",
    "PERL5OPT",
    "PERL5DB",
    "RUBYOPT",
    "RUBYLIB",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "CLASSPATH",
    "LUA_INIT",
    "PHPRC",
    "EDITOR",
    "PAGER",
    "HOME",
    "TAR_OPTIONS",
    "MAKEFLAGS",
    "MAKEFILES",
    "LESSOPEN",
    "LESSCLOSE",
    "ZDOTDIR",
    "RSYNC_RSH",
    "SSH_ASKPASS",
    "OPENSSL_CONF",
    "CURL_HOME",
    "DOTNET_STARTUP_HOOKS",
    "AWKPATH",
    "AWKLIBPATH",
    "TCLLIBPATH",
    "RUSTC_WRAPPER",
];
/// Beginnings of such variables.
const SMUGGLING: &[&str] =
    &["LD_", "DYLD_", "BASH_FUNC_", "MALLOC_", "GIT_", "PYTHON", "XDG_", "ERL_", "CORECLR_"];

/// The programs that may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    programs: BTreeSet<PathBuf>,
    /// The worker's own, by which programs are found.
    path: String,
}

impl Policy {
    /// Allows `programs`, absolute paths of files that can be run, and nothing else.
    pub(crate) fn new(programs: &[PathBuf], path: Option<&str>) -> Result<Self, String> {
        let entry = |program: &PathBuf| {
            if !program.is_absolute() {
                return Err(format!("{program:?} must be an absolute path"));
            }
            place(program)
                .filter(|place| is_program(place))
                .ok_or_else(|| format!("{program:?} is no program that this worker can run"))
        };
        let programs = programs.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(Self { programs, path: path.unwrap_or(crate::settings::DEFAULT_PATH).to_owned() })
    }

    /// The file to run, which is also its name; or why it may not.
    pub(crate) fn admit(&self, program: &Program, cwd: Option<&Path>) -> Result<PathBuf, String> {
        let Program::Argv(argv) = program else {
            return Err(refusal("it runs no shell commands, only programs given as argv"));
        };
        let name = argv.first().map_or("", String::as_str);
        let allowed = |path: &Path| {
            // The link itself may be what is allowed, or what it leads to.
            let places = [place(path), path.canonicalize().ok()];
            places.into_iter().flatten().find(|place| self.programs.contains(place))
        };
        let found = if name.contains('/') {
            allowed(&cwd.unwrap_or(Path::new(".")).join(name))
        } else {
            // A relative entry would be a folder of the task's choosing.
            let folders = self.path.split(':').map(Path::new).filter(|folder| folder.is_absolute());
            folders
                .map(|folder| folder.join(name))
                .find(|path| is_program(path))
                .and_then(|path| allowed(&path))
        };
        found.ok_or_else(|| refusal(&format!("program {name:?} is not in its list")))
    }

    /// Refuses variables by which a task could have an allowed program run something else.
    pub(crate) fn admit_env<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
        let smuggles = |name: &&String| {
            SMUGGLERS.contains(&name.as_str()) || SMUGGLING.iter().any(|start| name.starts_with(start))
        };
        match names.into_iter().find(smuggles) {
            None => Ok(()),
            Some(name) => Err(refusal(&format!("a task may not set the variable {name:?}"))),
        }
    }
}

fn refusal(why: &str) -> String {
    format!("refused by this worker's policy (allow_command): {why}")
}

/// The file at a path, its folder's links resolved and its own not.
fn place(path: &Path) -> Option<PathBuf> {
    Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Place {
        dir: tempfile::TempDir,
    }

    impl Place {
        /// A program of many names, `tool` and `sh` as links to it, and another program.
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["multi", "other"] {
                std::fs::write(dir.path().join(name), "#!/bin/sh\n").unwrap();
                let mode = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(dir.path().join(name), mode).unwrap();
            }
            symlink("multi", dir.path().join("tool")).unwrap();
            symlink("multi", dir.path().join("sh")).unwrap();
            Self { dir }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().canonicalize().unwrap().join(name)
        }

        fn policy(&self, allowed: &str) -> Policy {
            Policy::new(&[self.at(allowed)], Some(&format!("relative:{}", self.at("").display()))).unwrap()
        }
    }

    fn argv(name: impl AsRef<Path>) -> Program {
        Program::Argv(vec![name.as_ref().to_str().unwrap().to_owned(), "argument".to_owned()])
    }

    #[test]
    fn what_is_in_the_list_runs_under_its_own_name_however_it_is_called() {
        let place = Place::new();
        let policy = place.policy("multi");
        let links = tempfile::tempdir().unwrap();
        symlink(place.at("multi"), links.path().join("sh")).unwrap();
        for name in [
            "multi".into(),
            place.at("multi"),
            place.at("../").join(place.at("multi")),
            links.path().join("sh"),
        ] {
            assert_eq!(policy.admit(&argv(&name), None).unwrap(), place.at("multi"), "{name:?}");
        }
        assert_eq!(policy.admit(&argv("./multi"), Some(place.dir.path())).unwrap(), place.at("multi"));
    }

    #[test]
    fn what_is_not_in_the_list_is_refused_by_the_policys_name() {
        let place = Place::new();
        let policy = place.policy("tool");
        assert_eq!(policy.admit(&argv("tool"), None).unwrap(), place.at("tool"), "a link may be allowed");
        for name in ["multi", "sh", "other", "no-such", "/bin/sh", "relative/tool", ""] {
            let why = policy.admit(&argv(name), None).unwrap_err();
            assert!(why.contains("policy (allow_command)") && why.contains("is not in its list"), "{why}");
        }
        let shell = Program::Command("tool".to_owned());
        assert!(policy.admit(&shell, None).unwrap_err().contains("no shell commands"));
    }

    #[test]
    fn a_variable_that_changes_what_runs_is_refused_and_others_are_not() {
        let policy = Place::new().policy("multi");
        let with = |name: &str| policy.admit_env([&name.to_owned()]);
        for name in
            ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PATH", "BASH_ENV", "PYTHONPATH", "GLIBC_TUNABLES"]
        {
            assert!(with(name).unwrap_err().contains(name), "{name}");
        }
        for name in ["MINE", "LDAP_SERVER", "LANG", "TZ", "MY_PATH"] {
            assert_eq!(with(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn an_entry_that_could_never_be_run_is_refused_at_the_start() {
        for (entry, part) in
            [("sh", "absolute"), ("/no/such/program", "is no program"), ("/etc/passwd", "is no program")]
        {
            let why = Policy::new(&[entry.into()], None).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
