//! Files that a program writes and people read: committed, and checked fresh by `tidy`.

mod protobuf;

use std::path::{Path, PathBuf};

use crate::{Outcome, process};

/// A generated file and the arguments of `synod` that print it.
const PRINTED: &[(&str, &[&str])] = &[("docs/config.md", &["config", "--markdown"])];

/// Writes every generated file again.
///
/// # Errors
/// The binary does not build, a source is broken, or a file cannot be written.
pub(crate) fn write(root: &Path) -> Outcome {
    // The protocols first: the binary may need them to build.
    for proto in protobuf::ALL {
        for (path, text) in protobuf::generate(root, proto)? {
            save(root, path, text)?;
        }
    }
    for (path, arguments) in PRINTED {
        save(root, path, print(root, arguments)?)?;
    }
    Ok(())
}

/// Writes a generated file, and says so.
pub(crate) fn save(root: &Path, path: &str, content: impl AsRef<[u8]>) -> Outcome {
    std::fs::write(root.join(path), content).map_err(|error| format!("cannot write {path}: {error}"))?;
    println!("wrote {path}");
    Ok(())
}

/// The generated files that differ from what would be written now, with a sentence each.
pub(crate) fn stale(root: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut check = |path: &str, source: &str, content: Outcome<Vec<u8>>| match content {
        Err(error) => found.push((PathBuf::from(path), error)),
        Ok(content) if std::fs::read(root.join(path)).is_ok_and(|found| found == content) => {}
        Ok(_) => found.push((path.into(), format!("differs from {source}: run `cargo xtask codegen`"))),
    };
    for proto in protobuf::ALL {
        match protobuf::generate(root, proto) {
            Err(error) => check(proto.source, proto.source, Err(error)),
            Ok(files) => files.into_iter().for_each(|(path, text)| check(path, proto.source, Ok(text))),
        }
    }
    for (path, arguments) in PRINTED {
        check(
            path,
            &format!("`synod {}`", arguments.join(" ")),
            print(root, arguments).map(String::into_bytes),
        );
    }
    found
}

fn print(root: &Path, arguments: &[&str]) -> Outcome<String> {
    let mut command = process::cargo(root, &["run", "--quiet", "--locked", "-p", "synod", "--"]);
    process::capture(command.args(arguments))
}
