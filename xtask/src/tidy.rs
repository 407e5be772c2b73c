//! `cargo xtask tidy`: the rules of this repository that neither rustc nor clippy knows.
//!
//! Every breach is reported as `file:line: sentence`; nothing is changed.

mod files;
mod imports;
mod modules;
mod rooms;
mod rules;
mod scan;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use modules::Target;

use crate::{Outcome, codegen, console, process};

/// What was found so far, as lines for a person.
#[derive(Default)]
struct Report {
    breaches: BTreeSet<(PathBuf, usize, String)>,
}

impl Report {
    fn add(&mut self, path: impl Into<PathBuf>, line: usize, sentence: impl Into<String>) {
        self.breaches.insert((path.into(), line, sentence.into()));
    }
}

/// # Errors
/// Any rule is broken; the breaches are on stdout.
pub(crate) fn run(root: &Path) -> Outcome {
    let mut report = Report::default();
    let files = files::list(root)?;
    let sources = workspace(root, &files, &mut report)?;
    let is_face = |path: &[String]| path.len() == 2 && path[0] == "face";
    let faces = sources.iter().filter(|source| source.package == "synod-server" && is_face(&source.module));
    let faces: Vec<String> = faces.map(|source| source.module[1].clone()).collect();
    for source in &sources {
        for (at, sentence) in rules::check(source, &faces) {
            report.add(&source.path, scan::line_of(&source.text, at), sentence);
        }
    }
    for path in &files {
        // What is not text has no lines to check.
        let Ok(text) = std::fs::read_to_string(root.join(path)) else { continue };
        for (at, sentence) in files::check(path, &text) {
            report.add(path, scan::line_of(&text, at), sentence);
        }
    }
    error_pages(root, &files, &mut report);
    if let Some(sentence) = files::changelog(root) {
        report.add("CHANGELOG.md", 1, sentence);
    }
    for (path, sentence) in codegen::stale(root).into_iter().chain(console::stale(root)) {
        report.add(path, 1, sentence);
    }
    finish(&report, files.len(), sources.len())
}

fn finish(report: &Report, files: usize, sources: usize) -> Outcome {
    for (path, line, sentence) in &report.breaches {
        println!("{}:{line}: {sentence}", path.display());
    }
    match report.breaches.len() {
        0 => {
            println!("tidy: {files} files, {sources} of them Rust: all rules kept");
            Ok(())
        }
        1 => Err("1 rule broken".to_owned()),
        count => Err(format!("{count} rules broken")),
    }
}

/// Checks the table of rooms and that every Rust file belongs to a crate; returns the files.
fn workspace(root: &Path, files: &[PathBuf], report: &mut Report) -> Outcome<Vec<modules::Source>> {
    let metadata =
        process::capture(&mut process::cargo(root, &["metadata", "--format-version", "1", "--locked"]))?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    for (manifest, sentence) in
        rooms::breaches(root, &metadata, |package, other| rooms::is_built(root, package, other))
    {
        report.add(manifest, 1, sentence);
    }
    let mut targets = rooms::targets(root, &metadata);
    match crate::fuzz::targets(root) {
        Ok(found) => targets.extend(found.into_iter().map(fuzz_target)),
        Err(error) => report.add("fuzz/Cargo.toml", 1, error),
    }
    let (sources, lost) = modules::walk(root, &targets);
    for (path, line, module) in lost {
        report.add(path, line, format!("`mod {module};` leads to no file"));
    }
    for path in modules::dead(&sources, files) {
        report.add(path, 1, "no `mod` declaration leads to this file: it is dead");
    }
    Ok(sources)
}

/// The fuzz targets are a package outside the workspace, which cargo metadata does not name.
fn fuzz_target((_, path): (String, PathBuf)) -> Target {
    Target { package: "synod-fuzz".to_owned(), path, test: true }
}

/// A page for each error code in the sources. The page of a code that is gone stays: older servers answer with it.
fn error_pages(root: &Path, files: &[PathBuf], report: &mut Report) {
    let is_source =
        |path: &&PathBuf| path.starts_with("crates") && path.extension().is_some_and(|end| end == "rs");
    for path in files.iter().filter(is_source) {
        let Ok(text) = std::fs::read_to_string(root.join(path)) else { continue };
        for (code, line) in files::error_codes(&text) {
            let page = Path::new("docs/errors").join(&code).with_extension("md");
            if !root.join(&page).is_file() {
                report.add(path, line, format!("error code {code} has no page {}", page.display()));
            }
        }
    }
}
