//! A small file system for one process: a `tmpfs` in a mount namespace that only this process sees, and that ends with it.
//! Root may do that, and everybody who may make user namespaces.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounts, then becomes the program: the process keeps its id.
const SCRIPT: &str = r#"mount -t tmpfs -o size="$1",mode=700 tmpfs "$2" && shift 2 && exec "$@""#;

/// `program` on a file system with room for `bytes` at `place`, which is an empty directory.
///
/// # Panics
/// This machine allows it in no way.
#[track_caller]
pub fn command(program: &Command, place: &Path, bytes: u64) -> Command {
    let mut command = Command::new("unshare");
    command.args(namespaces()).args(["--", "sh", "-c", SCRIPT, "sh", &bytes.to_string()]).arg(place);
    command.arg(program.get_program()).args(program.get_args());
    let is_removed = |(name, value): (&OsStr, Option<&OsStr>)| value.is_none().then(|| name.to_owned());
    for name in program.get_envs().filter_map(is_removed) {
        command.env_remove(name);
    }
    command
}

/// A path in the namespace of a process as others see it.
pub fn seen_from_here(pid: u32, path: &Path) -> PathBuf {
    Path::new(&format!("/proc/{pid}/root")).join(path.strip_prefix("/").unwrap_or(path))
}

#[track_caller]
fn namespaces() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["--user", "--map-root-user", "--mount"], &["--mount"]];
    let works = |way: &&&[&str]| {
        let tried = Command::new("unshare")
            .args(**way)
            .args(["--", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
            .output();
        tried.is_ok_and(|output| output.status.success())
    };
    let way = ways.iter().find(works);
    way.expect("a small file system needs a mount namespace: run as root, or allow user namespaces (`unshare -rm` must work)")
}
