//! Which `.rs` file is which module: the walk that the compiler makes, from a crate's root along `mod x;`.
//!
//! It finds dead files, tells test files from the product's, and gives paths like `super::x` their meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::scan;

/// A source file of one crate.
#[derive(Debug)]
pub(crate) struct Source {
    /// The package it belongs to.
    pub package: String,
    /// Path of the module inside its crate; empty for the root.
    pub module: Vec<String>,
    /// Compiled for tests only.
    pub test: bool,
    /// Relative to the repository.
    pub path: PathBuf,
    pub text: String,
    /// [`scan::mask`] of `text`.
    pub masked: String,
}

/// The root file of a crate, as `cargo metadata` or a manifest names it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub package: String,
    pub path: PathBuf,
    /// An integration test or a bench.
    pub test: bool,
}

/// Walks from each target. The second part of the answer names the declarations that lead to no file.
pub(crate) fn walk(root: &Path, targets: &[Target]) -> (Vec<Source>, Vec<(PathBuf, usize, String)>) {
    let mut seen = BTreeMap::new();
    let mut lost = Vec::new();
    for target in targets {
        let mut open = vec![(target.path.clone(), Vec::new(), target.test, children_dir(&target.path, true))];
        while let Some((path, module, test, dir)) = open.pop() {
            if seen.contains_key(&path) {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
            let masked = scan::mask(&text);
            for found in declarations(&text, &masked) {
                match file_of(root, &path, &dir, &found) {
                    Some(file) => {
                        let inner = module.iter().cloned().chain(found.name.iter().cloned()).collect();
                        let dir = children_dir(&file, false);
                        open.push((file, inner, test || found.test, dir));
                    }
                    None => lost.push((path.clone(), found.line, found.name.join("::"))),
                }
            }
            let package = target.package.clone();
            seen.insert(path.clone(), Source { package, module, test, path, text, masked });
        }
    }
    (seen.into_values().collect(), lost)
}

/// The `.rs` files among `files` that no declaration reaches.
pub(crate) fn dead<'a>(sources: &[Source], files: &'a [PathBuf]) -> Vec<&'a Path> {
    let alive: BTreeSet<&Path> = sources.iter().map(|source| source.path.as_path()).collect();
    let rust = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.map(PathBuf::as_path).filter(|file| !alive.contains(file)).collect()
}

/// Where the files of a file's child modules lie.
fn children_dir(file: &Path, is_root: bool) -> PathBuf {
    let dir = file.parent().unwrap_or(Path::new("")).to_owned();
    let stem = file.file_stem().unwrap_or_default();
    if is_root || stem == "mod" { dir } else { dir.join(stem) }
}

#[derive(Debug, PartialEq, Eq)]
struct Declaration {
    /// The names of enclosing inline modules, then its own.
    name: Vec<String>,
    /// The value of `#[path = "…"]`.
    path: Option<String>,
    test: bool,
    line: usize,
}

/// Each `mod x;` and `include!("…")` of a file.
fn declarations(text: &str, masked: &str) -> Vec<Declaration> {
    let tests = scan::test_parts(masked);
    let mut inline = Vec::new();
    let mut found = Vec::new();
    for at in scan::words(masked, "mod") {
        let Some((name, end)) = scan::name_at(masked, at + 3) else { continue };
        let is_test = tests.iter().any(|part| part.contains(&at));
        match masked[end..].trim_start().as_bytes().first() {
            Some(b'{') => inline.push((at..scan::item_end(masked, end).0, name.to_owned())),
            Some(b';') => {
                let outer =
                    inline.iter().filter(|(range, _)| range.contains(&at)).map(|(_, name)| name.clone());
                let name = outer.chain([name.to_owned()]).collect();
                let line = scan::line_of(masked, at);
                found.push(Declaration { name, path: path_attribute(text, masked, at), test: is_test, line });
            }
            _ => {}
        }
    }
    for at in scan::words(masked, "include!") {
        if let Some(path) = text[at..].split('"').nth(1).filter(|path| path.ends_with(".rs")) {
            let line = scan::line_of(masked, at);
            found.push(Declaration { name: Vec::new(), path: Some(path.to_owned()), test: false, line });
        }
    }
    found
}

/// The `#[path = "…"]` among the attributes directly before `at`.
fn path_attribute(text: &str, masked: &str, at: usize) -> Option<String> {
    let start = masked[..at].rfind([';', '}', '{']).map_or(0, |end| end + 1);
    let attribute = masked[start..at].find("path =")? + start;
    text[attribute..at].split('"').nth(1).map(str::to_owned)
}

fn file_of(root: &Path, declared_in: &Path, dir: &Path, found: &Declaration) -> Option<PathBuf> {
    if let Some(path) = &found.path {
        let file = declared_in.parent()?.join(path);
        return root.join(&file).is_file().then_some(file);
    }
    let base = found.name.iter().fold(dir.to_owned(), |dir, name| dir.join(name));
    let candidates = [base.with_extension("rs"), base.join("mod.rs")];
    candidates.into_iter().find(|file| root.join(file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read_with_their_circumstances() {
        let text = "mod a;\n#[cfg(test)]\nmod b;\nmod c { mod d; }\n// mod e;\n#[path = \"x.rs\"]\nmod f;\n";
        let found = declarations(text, &scan::mask(text));
        let seen: Vec<_> =
            found.iter().map(|d| (d.name.join("::"), d.path.as_deref(), d.test, d.line)).collect();
        let name = str::to_owned;
        assert_eq!(
            seen,
            [
                (name("a"), None, false, 1),
                (name("b"), None, true, 3),
                (name("c::d"), None, false, 4),
                (name("f"), Some("x.rs"), false, 7),
            ]
        );
    }

    #[test]
    fn the_walk_reaches_children_marks_tests_and_leaves_the_dead() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = dir.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write("src/lib.rs", "mod a;\nmod gone;\n");
        write("src/a.rs", "pub mod b;\n#[cfg(test)] mod tests;\n");
        write("src/a/b.rs", "");
        write("src/a/tests.rs", "");
        write("src/a/dead.rs", "");
        let target = Target { package: "p".to_owned(), path: "src/lib.rs".into(), test: false };
        let (sources, lost) = walk(dir.path(), &[target]);
        let seen: Vec<_> = sources.iter().map(|s| (s.module.join("::"), s.test)).collect();
        let module = str::to_owned;
        assert_eq!(
            seen,
            [(module("a::b"), false), (module("a::tests"), true), (module("a"), false), (module(""), false)]
        );
        assert_eq!(lost, [("src/lib.rs".into(), 2, "gone".to_owned())]);
        let files = ["src/a/b.rs", "src/a/dead.rs", "README.md"].map(PathBuf::from);
        assert_eq!(dead(&sources, &files), [Path::new("src/a/dead.rs")]);
    }
}
