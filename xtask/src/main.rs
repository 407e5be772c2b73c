//! All upkeep of the repository, runnable by hand: `cargo xtask <command>`. CI runs nothing else.
//!
//! Only standard tools are called as child processes; nothing here is needed to `cargo build` the product.
#![expect(clippy::print_stdout, reason = "a command line tool talks on stdout")]

mod api;
mod codegen;
mod console;
mod fuzz;
mod need;
mod process;
mod suites;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every command returns: an error is a sentence for a person.
type Outcome<T = ()> = Result<T, String>;

const USAGE: &str = "\
usage: cargo xtask <command>

  test [--long] [--only SUITE]...   run every suite (or the named ones), with a summary
  tidy                              check the rules of the repository that compilers do not
  fuzz [--seconds N]                run each fuzz target for N seconds (default 10)
  codegen                           write the generated files again
  api                               write again what the published crates offer
  console                           build the console into console/dist
  bench [ARGUMENTS]...              run the load generator: see `cargo xtask bench --help`";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let root = root()?;
    let Some((command, rest)) = arguments.split_first() else {
        return Err(format!("no command given\n\n{USAGE}"));
    };
    match command.as_str() {
        "test" => test::run(&root, rest),
        "tidy" => tidy::run(&root),
        "fuzz" => fuzz::run(&root, fuzz::seconds(rest)?).1,
        "codegen" => codegen::write(&root),
        "api" => api::write(&root),
        "console" => console::build(&root),
        "bench" => bench(&root, rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(format!("unknown command `{other}`\n\n{USAGE}")),
    }
}

fn bench(root: &Path, arguments: &[String]) -> Outcome {
    let mut command = process::cargo(root, &["run", "--release", "--quiet", "-p", "synod-bench", "--"]);
    process::stream(command.args(arguments))
}

/// The repository: cargo names the manifest's directory for `cargo run`; by hand it is the nearest parent that
/// looks like it.
fn root() -> Outcome<PathBuf> {
    if let Some(manifest) = std::env::var_os("CARGO_MANIFEST_DIR")
        && let Some(parent) = Path::new(&manifest).parent()
    {
        return Ok(parent.to_owned());
    }
    let here =
        std::env::current_dir().map_err(|error| format!("the working directory is not readable: {error}"))?;
    let found = here.ancestors().find(|dir| dir.join("Cargo.lock").is_file() && dir.join("xtask").is_dir());
    found.map(Path::to_owned).ok_or_else(|| "not inside the repository".to_owned())
}
