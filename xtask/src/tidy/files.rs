//! Rules for every committed file, whatever its language: no traces of the machine it was written on, nothing
//! marked as unfinished, no file that grew out of hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::rules::FILE_LINES;
use super::scan::line_of;
use crate::{Outcome, process};

/// Hosts that a lock file or a tool's configuration may name.
const PUBLIC: &[&str] = &[
    "github.com",
    "index.crates.io",
    "registry.npmjs.org",
    "pypi.org",
    "repo.maven.apache.org",
    "maven.apache.org",
    "www.w3.org",
];

/// Files that say where packages come from.
const SOURCES_OF_PACKAGES: &[&str] = &[
    "Cargo.lock",
    "config.toml",
    ".npmrc",
    "pom.xml",
    "settings.xml",
    "pip.conf",
    "requirements.txt",
    "go.mod",
];

/// All files that are committed or would be, relative to `root`.
pub(crate) fn list(root: &Path) -> Outcome<Vec<PathBuf>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listing = process::capture(&mut git)?;
    let names = listing.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(names.filter(|name| root.join(name).is_file()).collect())
}

/// What is wrong with a text file: position and a sentence.
pub(crate) fn check(path: &Path, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    machine_paths(text, &mut found);
    if name == "package-lock.json" {
        let fields = text.match_indices("\"resolved\"").map(|(at, _)| at);
        found.extend(fields.map(|at| {
            (at, "a lock file without addresses works on every machine: drop `resolved`".to_owned())
        }));
    }
    if SOURCES_OF_PACKAGES.contains(&name) {
        private_hosts(text, &mut found);
    }
    if !matches!(extension, "md" | "json" | "lock" | "txt") && !is_built(path) {
        for word in [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")] {
            let hits = super::scan::words(text, word);
            found.extend(hits.map(|at| (at, format!("`{word}`: finish it, or write an issue"))));
        }
    }
    // Rust files have their own rule, which knows tests.
    let lines = text.lines().count();
    if matches!(extension, "ts" | "tsx" | "js" | "css" | "py" | "java" | "go")
        && lines > FILE_LINES
        && !is_built(path)
    {
        found.push((0, format!("{lines} lines; a file has at most {FILE_LINES}")));
    }
    found
}

/// Written by a build, and checked by its own rule.
fn is_built(path: &Path) -> bool {
    path.starts_with("console/dist")
}

fn machine_paths(text: &str, found: &mut Vec<(usize, String)>) {
    for dir in ["home", "root", "Users", "work"] {
        let path = format!("/{dir}/");
        let free = |at: usize| text[..at].chars().next_back().is_none_or(|c| " \t\n\"'`=(:[,".contains(c));
        let hits = text.match_indices(&path).filter(|(at, _)| free(*at));
        found.extend(hits.map(|(at, _)| (at, format!("`{path}` is a directory of somebody's machine"))));
    }
}

fn private_hosts(text: &str, found: &mut Vec<(usize, String)>) {
    for (at, scheme) in text.match_indices("://") {
        let host =
            text[at + scheme.len()..].split(|c: char| !(c.is_alphanumeric() || ".-".contains(c))).next();
        if let Some(host) = host.filter(|host| !PUBLIC.contains(host)) {
            found.push((at, format!("packages come from `{host}`, which other machines may not reach")));
        }
    }
}

/// The change log must have a place for what is not released yet.
pub(crate) fn changelog(root: &Path) -> Option<String> {
    match std::fs::read_to_string(root.join("CHANGELOG.md")) {
        Err(error) => Some(format!("CHANGELOG.md is not readable: {error}")),
        Ok(text) if !text.contains("## [Unreleased]") => {
            Some("CHANGELOG.md has no `## [Unreleased]`".to_owned())
        }
        Ok(_) => None,
    }
}

/// The error codes `E####` in string literals of `text`, with their lines.
pub(crate) fn error_codes(text: &str) -> Vec<(String, usize)> {
    let codes = text.match_indices("\"E").filter_map(|(at, _)| {
        let code = text.get(at + 1..at + 6)?;
        let is_code =
            code[1..].bytes().all(|byte| byte.is_ascii_digit()) && text.get(at + 6..at + 7) == Some("\"");
        is_code.then(|| (code.to_owned(), line_of(text, at)))
    });
    codes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn catches(path: &str, text: &str, part: &str) {
        let found = check(Path::new(path), text);
        assert!(found.len() == 1 && found[0].1.contains(part), "{found:?}");
    }

    #[test]
    fn traces_of_a_machine_are_caught() {
        catches("a.toml", &format!("dir = \"/{}/me/x\"", "home"), "somebody's machine");
        assert_eq!(check(Path::new("a.md"), &format!("https://example.org/{}/x", "home")), []);
        catches("console/package-lock.json", "{\"resolved\": \"https://registry.npmjs.org/x\"}", "resolved");
        catches("Cargo.lock", "source = \"registry+https://mirror.example:8080/index\"", "`mirror.example`");
        assert_eq!(
            check(Path::new("Cargo.lock"), "source = \"registry+https://github.com/rust-lang/x\""),
            []
        );
    }

    #[test]
    fn unfinished_and_overgrown_files_are_caught() {
        catches("a.ts", concat!("// TO", "DO: later"), "finish it");
        assert_eq!(check(Path::new("a.md"), concat!("TO", "DO")), []);
        catches("a.ts", &"\n".repeat(FILE_LINES + 1), "at most");
        assert_eq!(check(Path::new("console/dist/a.js"), &"\n".repeat(FILE_LINES + 1)), []);
    }

    #[test]
    fn error_codes_are_found_in_literals_only() {
        let text = "a(\"E1001\");\nb(\"E12345\", \"Each\", E1002);\nc(\"E1003\")";
        assert_eq!(error_codes(text), [("E1001".to_owned(), 1), ("E1003".to_owned(), 3)]);
    }

    #[test]
    fn a_missing_change_log_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(changelog(dir.path()).is_some());
        std::fs::write(dir.path().join("CHANGELOG.md"), "# Changes\n\n## [Unreleased]\n").unwrap();
        assert_eq!(changelog(dir.path()), None);
    }
}
