//! The console's build. `console/dist` is committed, so that `cargo run` needs no Node; this keeps it fresh.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, process};

/// Builds the console into `console/dist`, together with the fingerprint of its sources.
///
/// # Errors
/// npm is missing or a step fails.
pub(crate) fn build(root: &Path) -> Outcome {
    for step in [["ci"].as_slice(), &["run", "build"]] {
        process::stream(&mut npm(root, step))?;
    }
    Ok(())
}

/// An `npm` command in the console's folder.
pub(crate) fn npm(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.current_dir(root.join("console")).args(arguments);
    command
}

/// Whether the committed build is that of the committed sources; by its fingerprint, so that nothing is installed.
pub(crate) fn stale(root: &Path) -> Option<(PathBuf, String)> {
    let mut check = Command::new("node");
    check.current_dir(root.join("console")).args(["scripts/fresh.mjs", "--hash-only"]);
    let sentence = process::capture(&mut check).err()?;
    Some((
        "console/dist".into(),
        format!("not the build of its sources ({sentence}): run `cargo xtask console`"),
    ))
}
