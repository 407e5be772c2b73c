//! Files that a program writes and people read: committed, and checked fresh by `tidy`.

use std::path::{Path, PathBuf};

use crate::{Outcome, process};

/// A generated file and the arguments of `synod` that print it.
const GENERATED: &[(&str, &[&str])] = &[("docs/config.md", &["config", "--markdown"])];

/// Writes every generated file again.
///
/// # Errors
/// The binary does not build or the file cannot be written.
pub(crate) fn write(root: &Path) -> Outcome {
    for (path, arguments) in GENERATED {
        let text = print(root, arguments)?;
        std::fs::write(root.join(path), text).map_err(|error| format!("cannot write {path}: {error}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

/// The generated files that differ from what would be written now, with a sentence each.
pub(crate) fn stale(root: &Path) -> Vec<(PathBuf, String)> {
    let check = |(path, arguments): &(&str, &[&str])| {
        let sentence = match print(root, arguments) {
            Err(error) => error,
            Ok(text) if std::fs::read_to_string(root.join(path)).is_ok_and(|found| found == text) => {
                return None;
            }
            Ok(_) => format!("differs from `synod {}`: run `cargo xtask codegen`", arguments.join(" ")),
        };
        Some((PathBuf::from(path), sentence))
    };
    GENERATED.iter().filter_map(check).collect()
}

fn print(root: &Path, arguments: &[&str]) -> Outcome<String> {
    let mut command = process::cargo(root, &["run", "--quiet", "--locked", "-p", "synod", "--"]);
    process::capture(command.args(arguments))
}
