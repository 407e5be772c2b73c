//! What benches with rows have in common: rows are chosen by name, measured one after the other, kept as soon as they are there, and
//! shown.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bench::progress;
use crate::report;

/// All that one bench has measured, as it is kept from run to run.
pub(crate) trait Results: Default + Serialize + DeserializeOwned {
    /// As in `cargo xtask bench NAME`. The file with the kept results and the section of the page have the same name.
    const NAME: &'static str;
    /// What one measuring gives.
    type Found: Clone;

    /// Adds it, in place of what was measured before.
    fn put(&mut self, found: Self::Found);

    /// How many rows there are.
    fn len(&self) -> usize;

    /// For the terminal.
    fn text(&self) -> String;

    /// For a page, with where, when and how each row was measured.
    fn markdown(&self) -> String;
}

fn path<R: Results>() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("out").join(R::NAME).with_extension("json")
}

/// The kept results, none when there is no file. To be asked for before measuring begins.
///
/// # Errors
/// When the file is something else.
pub(crate) fn kept<R: Results>() -> Result<R> {
    Ok(report::load_kept(&path::<R>())?.unwrap_or_default())
}

/// Writes the kept results into their section of a page, without measuring.
///
/// # Errors
/// When the page cannot be read or written, or results cannot be read.
pub(crate) fn publish<R: Results>(page: &Path) -> Result<()> {
    let results: R = kept()?;
    let (begin, end) = marks::<R>();
    report::write_section(page, &begin, &end, &results.markdown())?;
    writeln!(std::io::stdout(), "{} has {} rows", page.display(), results.len())?;
    Ok(())
}

/// Between them is the section of a page.
fn marks<R: Results>() -> (String, String) {
    let name = R::NAME;
    let begin = format!("<!-- bench {name}: written by `cargo xtask bench {name} --markdown` -->");
    (begin, format!("<!-- end of bench {name} -->"))
}

/// Those that `--only` names, all when it names none. A name is an id (`saga@8`), or the part of it before the @.
///
/// # Errors
/// When a name is no row.
pub(crate) fn chosen<S>(
    all: impl IntoIterator<Item = S>,
    id: impl Fn(&S) -> String,
    only: &[String],
) -> Result<Vec<S>> {
    let is_named = |id: &str, name: &str| id == name || id.split('@').next() == Some(name);
    let mut all: Vec<S> = all.into_iter().collect();
    for name in only {
        let is_known = all.iter().any(|scenario| is_named(&id(scenario), name));
        ensure!(is_known, "there is no row {name}; --list prints them");
    }
    all.retain(|scenario| only.is_empty() || only.iter().any(|name| is_named(&id(scenario), name)));
    Ok(all)
}

/// Prints the ids of rows.
///
/// # Errors
/// When nobody reads them.
pub(crate) fn list(ids: impl IntoIterator<Item = String>) -> Result<()> {
    ids.into_iter().try_for_each(|id| Ok(writeln!(std::io::stdout(), "{id}")?))
}

/// Measures one after the other, keeps each as soon as it is there, and prints what is new; false when one failed.
///
/// # Errors
/// When results cannot be kept or printed.
pub(crate) fn measure<R: Results, J>(
    mut kept: R,
    jobs: impl IntoIterator<Item = J>,
    name: impl Fn(&J) -> String,
    mut run: impl FnMut(&J) -> Result<R::Found>,
) -> Result<bool> {
    let mut out = std::io::stdout();
    let (mut new, mut failed) = (R::default(), Vec::new());
    for job in jobs {
        let name = name(&job);
        progress(&name);
        match run(&job) {
            Ok(found) => {
                kept.put(found.clone());
                report::store_kept(&path::<R>(), &kept)?;
                new.put(found);
            }
            Err(error) => {
                writeln!(out, "{name} FAILED: {error:#}\n")?;
                failed.push(name);
            }
        }
    }
    writeln!(out, "{}", new.text())?;
    if !failed.is_empty() {
        writeln!(out, "FAILED: {}", failed.join(", "))?;
    }
    Ok(failed.is_empty())
}

/// Puts a row into its place among others, instead of the one that is there.
pub(crate) fn replace<T, K: Ord>(rows: &mut Vec<T>, row: T, place: impl Fn(&T) -> K) {
    let of_new = place(&row);
    rows.retain(|old| place(old) != of_new);
    rows.push(row);
    rows.sort_by_cached_key(place);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen_of(only: &str) -> Result<Vec<&'static str>> {
        let only: Vec<String> = only.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        chosen(["saga@1", "saga@8", "tcc@8", "open"], |id| (*id).to_owned(), &only)
    }

    #[test]
    fn rows_are_chosen_by_id_or_family() {
        assert_eq!(chosen_of("saga").unwrap(), ["saga@1", "saga@8"]);
        assert_eq!(chosen_of("tcc@8,open").unwrap(), ["tcc@8", "open"]);
        assert_eq!(chosen_of("").unwrap().len(), 4);
        assert_eq!(chosen_of("sag").unwrap_err().to_string(), "there is no row sag; --list prints them");
    }

    #[test]
    fn a_row_takes_the_place_of_its_like() {
        let mut rows = vec![(1, "a"), (3, "c")];
        replace(&mut rows, (2, "b"), |row| row.0);
        replace(&mut rows, (3, "new"), |row| row.0);
        assert_eq!(rows, [(1, "a"), (2, "b"), (3, "new")]);
    }
}
