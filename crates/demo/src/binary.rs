//! Where the `synod` binary is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

/// `SYNOD_BIN`; under `cargo run` the workspace's own, built when that is due; otherwise the one beside ours.
pub(crate) fn find() -> anyhow::Result<PathBuf> {
    if let Some(given) = std::env::var_os("SYNOD_BIN") {
        return Ok(given.into());
    }
    let own = std::env::current_exe().context("our own program has no path")?;
    let folder = own.parent().context("our own program is in no folder")?;
    let binary = folder.join("synod");
    if let (Some(cargo), Some(manifest)) = (std::env::var_os("CARGO"), std::env::var_os("CARGO_MANIFEST_DIR"))
    {
        build(Path::new(&cargo), Path::new(&manifest), folder)?;
    }
    if !binary.exists() {
        bail!(
            "there is no `synod` beside {}; build it with `cargo build -p synod`, set SYNOD_BIN to one, or give the \
             address of a node with --synod",
            own.display()
        );
    }
    Ok(binary)
}

/// `cargo run -p synod-demo` builds this package only.
fn build(cargo: &Path, manifest: &Path, folder: &Path) -> anyhow::Result<()> {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "-p", "synod", "--profile", profile]).current_dir(manifest);
    let status = command.status().context("cargo cannot be started")?;
    ensure!(status.success(), "`cargo build -p synod` failed");
    Ok(())
}
