//! A directory and who may write to it: database servers refuse to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::getuid;
use tempfile::TempDir;

use crate::Error;

#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    account: Option<(u32, u32)>,
}

impl Home {
    /// Of the first of `names` that has an account, if we are root; of ourselves otherwise.
    pub(crate) fn new(names: &'static [&'static str]) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::Folder)?;
        let account = if getuid().is_root() { Some(account(names)?) } else { None };
        if let Some((user, group)) = account {
            chown(folder.path(), Some(user), Some(group)).map_err(Error::Folder)?;
        }
        Ok(Self { folder, account })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A command that runs here, as the account.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("LC_ALL", "C")
            .env("TMPDIR", self.path());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }
}

fn account(names: &'static [&'static str]) -> Result<(u32, u32), Error> {
    let accounts = fs::read_to_string("/etc/passwd").map_err(Error::Folder)?;
    let found = names.iter().find_map(|name| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    found.ok_or(Error::NoAccount(names))
}
