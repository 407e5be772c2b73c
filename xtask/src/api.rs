//! What the published crates promise: the list of their public items, committed beside them. A change of it is seen in a diff, and a
//! reviewer says whether it breaks somebody.
//!
//! rustdoc prints it in a form of which only the unstable version exists; `RUSTC_BOOTSTRAP` lets the pinned toolchain do it.

use std::path::{Path, PathBuf};

use crate::process::{capture, cargo};
use crate::{Outcome, codegen};

/// Crates that others depend on, with the file that lists what they offer.
const PUBLISHED: &[(&str, &str)] =
    &[("synod-ring", "crates/ring/api.txt"), ("synod-client", "crates/client/api.txt")];

/// Writes the lists again.
///
/// # Errors
/// A crate does not build, or a file cannot be written.
pub(crate) fn write(root: &Path) -> Outcome {
    PUBLISHED.iter().try_for_each(|(package, path)| codegen::save(root, path, list(root, package)?))
}

/// # Errors
/// A crate does not build, or offers something else than its list says.
pub(crate) fn check(root: &Path) -> Outcome {
    for (package, path) in PUBLISHED {
        let listed = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        let offered = list(root, package)?;
        if listed != offered {
            let missing = first_only_in(&listed, &offered).map(|line| format!("\n  gone: {line}"));
            let new = first_only_in(&offered, &listed).map(|line| format!("\n  new: {line}"));
            return Err(format!(
                "{package} does not offer what {path} says{}{}\nrun `cargo xtask api`, and say in the commit whom it breaks",
                missing.unwrap_or_default(),
                new.unwrap_or_default(),
            ));
        }
    }
    Ok(())
}

fn first_only_in<'a>(these: &'a str, those: &str) -> Option<&'a str> {
    these.lines().find(|line| !those.lines().any(|other| other == *line))
}

/// The public items of a package with all its features, a line each.
fn list(root: &Path, package: &str) -> Outcome<String> {
    let mut rustdoc =
        cargo(root, &["rustdoc", "--locked", "--quiet", "--lib", "--all-features", "-p", package, "--"]);
    rustdoc.args(["-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"]);
    capture(rustdoc.env("RUSTC_BOOTSTRAP", "1"))?;
    let json = target(root).join("doc").join(package.replace('-', "_")).with_extension("json");
    let api = public_api::Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .map_err(|error| format!("{}: {error}", json.display()))?;
    Ok(api.items().map(|item| format!("{item}\n")).collect())
}

fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(first_only_in("a\nb\nc\n", "a\nc\n"), Some("b"));
        assert_eq!(first_only_in("a\n", "b\na\n"), None);
    }
}
