//! What a command may do to its worker and its neighbours: decided once at the start, in force for each attempt.
//!
//! All that holds for every command alike is inherited and costs nothing: see `hardening.rs`. Whatever is set for
//! an attempt alone needs a [`starter`]; without limits and without another user there is none.

pub(crate) mod cgroup;
pub(crate) mod limits;
mod order;
mod shim;
pub(crate) mod starter;
mod user;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tracing::warn;

use self::cgroup::Cgroups;
use self::limits::Limits;
pub(crate) use self::shim::Shim;
use self::user::User;
use crate::ServeError;
use crate::policy::Policy;

/// This program, whatever became of its file since it was started.
const OURSELVES: &str = "/proc/self/exe";

/// How the limits of an attempt are to be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Means {
    /// By a control group for all that it can hold, and by resource limits else.
    #[default]
    Auto,
    /// By a control group; a worker that cannot have them does not start.
    Cgroup,
    /// By resource limits alone.
    Rlimits,
}

impl std::str::FromStr for Means {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "cgroup" => Ok(Self::Cgroup),
            "rlimits" => Ok(Self::Rlimits),
            _ => Err("must be auto, cgroup or rlimits".to_owned()),
        }
    }
}

/// What a worker is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsolationSettings {
    /// Whether commands can never gain privileges.
    pub no_new_privs: bool,
    /// How limits are held.
    pub means: Means,
    /// What each attempt may use.
    pub limits: Limits,
    /// Whom commands run as, `USER` or `USER:GROUP`; the worker's own user when `None`.
    pub run_as: Option<String>,
    /// The only programs that may run, by their absolute paths; any when empty.
    pub allow_command: Vec<PathBuf>,
}

impl Default for IsolationSettings {
    fn default() -> Self {
        Self {
            no_new_privs: true,
            means: Means::Auto,
            limits: Limits::default(),
            run_as: None,
            allow_command: Vec::new(),
        }
    }
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct Isolation {
    /// Whether commands can never gain privileges.
    pub(crate) no_new_privs: bool,
    /// Which programs may run, if not any.
    pub(crate) policy: Option<Policy>,
    /// Starts commands for which something is to be set.
    pub(crate) shim: Option<Shim>,
    /// Whom they run as, if not the worker's own user.
    user: Option<User>,
    tier: &'static str,
}

impl Isolation {
    /// Puts it together and tries it. `worker` names its control groups; `kept` are the folders, each with its
    /// setting, that a command must not write in.
    ///
    /// # Errors
    /// When something that was asked for cannot be had: a worker never does with less.
    pub(crate) fn start(
        settings: &IsolationSettings,
        worker: &str,
        path: Option<&str>,
        kept: &[(&'static str, &Path)],
    ) -> Result<Self, ServeError> {
        Self::start_by(Path::new(OURSELVES), settings, worker, path, kept)
    }

    /// The same with another program as the starter.
    pub(crate) fn start_by(
        starter: &Path,
        settings: &IsolationSettings,
        worker: &str,
        path: Option<&str>,
        kept: &[(&'static str, &Path)],
    ) -> Result<Self, ServeError> {
        let refused = |setting| move |problem| ServeError::Isolation { setting, problem };
        let policy = match settings.allow_command.as_slice() {
            [] => None,
            programs => Some(Policy::new(programs, path).map_err(refused("allow_command"))?),
        };
        let user = settings.run_as.as_deref().map(|text| find_user(text, kept)).transpose();
        let user = user.map_err(refused("run_as"))?;
        let mut isolation =
            Self { no_new_privs: settings.no_new_privs, policy, shim: None, user, tier: "plain" };
        if settings.limits.is_empty() && isolation.user.is_none() && settings.means != Means::Cgroup {
            return Ok(isolation);
        }
        let groups = match settings.means {
            Means::Rlimits => None,
            Means::Cgroup => Some(Cgroups::open(worker, &settings.limits).map_err(refused("isolation"))?),
            Means::Auto => match Cgroups::open(worker, &settings.limits) {
                Ok(groups) => Some(groups),
                Err(why) => {
                    warn!(why, "commands get no control group of their own");
                    None
                }
            },
        };
        let rest = groups.as_ref().map_or(settings.limits, |groups| groups.rest(settings.limits));
        let by_rlimit = rest.memory.is_some() || rest.processes.is_some();
        if by_rlimit {
            isolation.check_rlimits(settings.means, rest)?;
        }
        isolation.tier = match (&groups, by_rlimit, settings.limits.is_empty()) {
            (Some(_), false, _) => "cgroup",
            (None, _, true) => "plain",
            (_, _, _) => "rlimits",
        };
        let ids = isolation.user.as_ref().map(|user| user.ids.clone());
        let shim = Shim::new(starter.to_owned(), groups, rest, ids);
        shim.try_it().map_err(refused("isolation"))?;
        isolation.shim = Some(shim);
        Ok(isolation)
    }

    /// Refuses limits that would hold nobody.
    fn check_rlimits(&self, means: Means, rest: Limits) -> Result<(), ServeError> {
        let refused =
            |setting, problem: &str| Err(ServeError::Isolation { setting, problem: problem.to_owned() });
        if means == Means::Cgroup {
            return refused("isolation", "the control group does not have the memory and pids controllers");
        }
        let root = self.user.as_ref().map_or(geteuid().is_root(), |user| user.ids.uid == 0);
        if rest.processes.is_some() && root {
            return refused(
                "limit_processes",
                "without a control group (v2) of this worker's own, root is held to no number of processes; \
                 set --run_as, or let the worker have one (systemd: Delegate=yes)",
            );
        }
        warn!(
            memory = rest.memory,
            processes = rest.processes,
            "limits are held by the kernel's resource limits: memory counts for each process alone, processes \
             count all of the user"
        );
        Ok(())
    }

    /// What is in force, in a few words.
    pub(crate) fn describe(&self) -> String {
        let mut text = self.tier.to_owned();
        if let Some(user) = &self.user {
            text.push_str(", run_as ");
            text.push_str(&user.name);
        }
        if self.policy.is_some() {
            text.push_str(", allow_command");
        }
        if !self.no_new_privs {
            text.push_str(", new privileges");
        }
        text
    }

    /// The clean environment, which names the user that commands run as.
    pub(crate) fn environment(&self, mut base: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if let Some(user) = &self.user {
            base.insert("HOME".to_owned(), user.home.display().to_string());
            base.insert("USER".to_owned(), user.name.clone());
            base.insert("LOGNAME".to_owned(), user.name.clone());
        }
        base
    }
}

impl Default for Isolation {
    /// Nothing but what is inherited.
    fn default() -> Self {
        Self { no_new_privs: true, policy: None, shim: None, user: None, tier: "plain" }
    }
}

fn find_user(text: &str, kept: &[(&'static str, &Path)]) -> Result<User, String> {
    let user = User::find(text)?;
    if !User::may_be_become() {
        return Err("needs a worker that is root, or has CAP_SETUID, CAP_SETGID and CAP_KILL".to_owned());
    }
    for (setting, folder) in kept {
        let could = user.could_write(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        if let Some(weak) = could {
            return Err(format!(
                "{} could write in {}, and so change what is in {setting}",
                user.name,
                weak.display()
            ));
        }
    }
    Ok(user)
}

#[cfg(test)]
#[path = "isolation_tests.rs"]
mod tests;
