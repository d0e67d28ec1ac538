//! The user that commands run as: who that is, and what it must not be able to write.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::thread::{CapabilitySet, capabilities};
use uzers::os::unix::UserExt;

use super::order::Ids;

/// A user that commands run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// Its name.
    pub(crate) name: String,
    /// Its home.
    pub(crate) home: PathBuf,
    /// Its numbers.
    pub(crate) ids: Ids,
}

impl User {
    /// Reads `USER` or `USER:GROUP`, each a name or a number.
    pub(crate) fn find(text: &str) -> Result<Self, String> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let number = |text: &str| text.parse::<u32>().ok();
        let found = uzers::get_user_by_name(user)
            .or_else(|| number(user).and_then(uzers::get_user_by_uid))
            .ok_or_else(|| format!("there is no user {user:?}"))?;
        let gid = match group {
            None => found.primary_group_id(),
            Some(group) => uzers::get_group_by_name(group)
                .or_else(|| number(group).and_then(uzers::get_group_by_gid))
                .ok_or_else(|| format!("there is no group {group:?}"))?
                .gid(),
        };
        let groups = uzers::get_user_groups(found.name(), gid)
            .ok_or_else(|| format!("the groups of user {user:?} cannot be read"))?;
        let mut groups: Vec<_> = groups.iter().map(uzers::Group::gid).collect();
        if !groups.contains(&gid) {
            groups.push(gid);
        }
        let ids = Ids { uid: found.uid(), gid, groups };
        let name = found.name().to_str().ok_or_else(|| format!("the name of user {user:?} is not UTF-8"))?;
        Ok(Self { name: name.to_owned(), home: found.home_dir().to_owned(), ids })
    }

    /// Whether this process may become it.
    pub(crate) fn may_be_become() -> bool {
        // The last one to stop them: the kernel lets nobody else signal another user's processes.
        let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
        capabilities(None).is_ok_and(|own| own.effective.contains(needed))
    }

    /// Whether it could write in this folder, or put another one in its place: then the first such folder.
    pub(crate) fn could_write(&self, folder: &Path) -> io::Result<Option<PathBuf>> {
        let folder = folder.canonicalize()?;
        for path in folder.ancestors() {
            let meta = path.metadata()?;
            // What a sticky folder holds can only be moved by its owner.
            let safe = path != folder && meta.mode() & 0o1000 != 0 && meta.uid() != self.ids.uid;
            if !safe && self.writes(meta.uid(), meta.gid(), meta.mode()) {
                return Ok(Some(path.to_owned()));
            }
        }
        Ok(None)
    }

    fn writes(&self, owner: u32, group: u32, mode: u32) -> bool {
        let Ids { uid, gid, groups } = &self.ids;
        // An owner can give itself the right.
        if *uid == 0 || owner == *uid {
            return true;
        }
        let class = if group == *gid || groups.contains(&group) { 0o020 } else { 0o002 };
        mode & class != 0
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, create_dir_all, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stranger() -> User {
        let ids = Ids { uid: 3_999_999_999, gid: 3_999_999_999, groups: vec![3_999_999_998] };
        User { name: "stranger".to_owned(), home: "/".into(), ids }
    }

    #[test]
    fn users_and_groups_are_found_by_name_and_number_and_others_are_refused() {
        let root = User::find("root").unwrap();
        assert_eq!((root.ids.uid, root.home.as_path()), (0, Path::new("/root")));
        assert_eq!(User::find("0").unwrap(), root);
        let with_group = User::find("root:1").unwrap();
        assert_eq!(with_group.ids.gid, 1);
        assert!(with_group.ids.groups.contains(&1), "{with_group:?}");
        assert!(User::find("no-such-user").unwrap_err().contains("no user \"no-such-user\""));
        assert!(User::find("3999999999").unwrap_err().contains("no user"));
        assert!(User::find("root:no-such-group").unwrap_err().contains("no group \"no-such-group\""));
    }

    #[test]
    fn a_folder_that_a_user_could_write_or_replace_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().canonicalize().unwrap().join("a/b");
        create_dir_all(&inner).unwrap();
        let outer = inner.parent().unwrap();
        let mode = |path: &Path, mode| set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let stranger = stranger();
        let could = || stranger.could_write(&inner).unwrap();
        mode(outer, 0o755);
        mode(&inner, 0o750);
        assert_eq!(could(), None);
        mode(&inner, 0o757);
        assert_eq!(could().as_deref(), Some(&*inner));
        mode(&inner, 0o1757);
        assert_eq!(could().as_deref(), Some(&*inner), "sticky or not, files can be made in it");
        mode(&inner, 0o755);
        mode(outer, 0o777);
        assert_eq!(could().as_deref(), Some(outer));
        mode(outer, 0o1777);
        assert_eq!(could(), None, "nobody else may move what is in a sticky folder");
        assert!(User::find("root").unwrap().could_write(&inner).unwrap().is_some());
        let group = inner.metadata().unwrap().gid();
        let member = User { ids: Ids { groups: vec![group], ..stranger.ids.clone() }, ..stranger.clone() };
        mode(&inner, 0o775);
        assert_eq!(member.could_write(&inner).unwrap().as_deref(), Some(&*inner));
    }
}
