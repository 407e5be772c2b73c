//! Short runs of every fuzz target. `fuzz/` is a package outside the workspace: it is built with its own flags.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Counts;
use crate::{Outcome, process};

const SECONDS: u64 = 10;

/// The value of `--seconds`, or the default.
///
/// # Errors
/// Anything else among the arguments.
pub(crate) fn seconds(arguments: &[String]) -> Outcome<u64> {
    match arguments {
        [] => Ok(SECONDS),
        [flag, value] if flag == "--seconds" => {
            value.parse().map_err(|_| format!("`--seconds {value}` is not a whole number"))
        }
        _ => Err("usage: cargo xtask fuzz [--seconds N]".to_owned()),
    }
}

/// Names and root files of the targets, from the manifest.
///
/// # Errors
/// The manifest cannot be read or holds no target.
pub(crate) fn targets(root: &Path) -> Outcome<Vec<(String, PathBuf)>> {
    let path = root.join("fuzz/Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("fuzz/Cargo.toml is not readable: {error}"))?;
    let manifest: toml::Table = text.parse().map_err(|error| format!("fuzz/Cargo.toml: {error}"))?;
    let bins = manifest.get("bin").and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
    let one = |bin: &toml::Value| {
        let word = |key: &str| bin.get(key).and_then(toml::Value::as_str);
        Some((word("name")?.to_owned(), Path::new("fuzz").join(word("path")?)))
    };
    let found: Vec<_> = bins.iter().filter_map(one).collect();
    if found.is_empty() { Err("fuzz/Cargo.toml names no target".to_owned()) } else { Ok(found) }
}

/// Runs each target for `seconds`. A target that survives is a test passed; all are run in any case.
pub(crate) fn run(root: &Path, seconds: u64) -> (Counts, Outcome) {
    let mut counts = Counts::default();
    let targets = match targets(root) {
        Ok(targets) => targets,
        Err(error) => return (counts, Err(error)),
    };
    let mut broken = Vec::new();
    for (name, _) in targets {
        println!("fuzz: {name} for {seconds} s");
        if let Err(error) = make_folders(root, &name) {
            return (counts, Err(error));
        }
        match process::stream(&mut target(root, &name, seconds)) {
            Ok(()) => counts.passed += 1,
            Err(_) => {
                counts.failed += 1;
                broken.push(name);
            }
        }
    }
    let outcome =
        if broken.is_empty() { Ok(()) } else { Err(format!("fuzz targets failed: {}", broken.join(", "))) };
    (counts, outcome)
}

/// What `cargo fuzz run --sanitizer none` would call: coverage counters in our code, and libFuzzer's own main.
/// Called by hand because cargo-fuzz itself takes minutes to install.
fn target(root: &Path, name: &str, seconds: u64) -> Command {
    let passes = [
        "-Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cdebug-assertions",
        "--cfg=fuzzing",
    ];
    let mut command = process::cargo(
        root,
        &["run", "--quiet", "--locked", "--release", "--manifest-path", "fuzz/Cargo.toml"],
    );
    // With a target named, build scripts and macros are built without the flags.
    command.env("RUSTFLAGS", passes.join(" ")).args(["--target", process::HOST, "--bin", name, "--"]);
    // What is found is kept in the first folder, which git ignores; the seeds are committed and only read.
    command.args([format!("fuzz/corpus/{name}"), format!("fuzz/seeds/{name}")]);
    command.args([format!("-artifact_prefix=fuzz/artifacts/{name}/"), format!("-max_total_time={seconds}")]);
    command.args(["-rss_limit_mb=2048", "-timeout=10"]);
    if let Some(dictionary) = dictionary(root, name) {
        command.arg(format!("-dict={dictionary}"));
    }
    command
}

/// The words of the target's protocol, which its name begins with. Binary ones have no words.
fn dictionary(root: &Path, name: &str) -> Option<String> {
    let protocol = name.split('_').next()?;
    Some(format!("fuzz/{protocol}.dict")).filter(|path| root.join(path).exists())
}

fn make_folders(root: &Path, name: &str) -> Outcome {
    for folder in ["corpus", "artifacts", "seeds"] {
        let folder = root.join("fuzz").join(folder).join(name);
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    Ok(())
}
