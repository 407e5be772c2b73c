//! `synod-demo bank`: how a transfer between two banks stays consistent, as something that runs. Two services over two databases of
//! different makers, a coordinator, and faults to switch on. `synod-demo chaos`: the same with many transfers at once, while all of them
//! are killed at random.
//!
//! Exit codes: 0 the promise was kept, 1 it was broken or something did not work, 2 bad usage.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod bank;
mod binary;
mod books;
mod chaos;
mod child;
mod coordinator;
mod database;
mod failure;
mod fault;
mod mode;
mod process;
mod say;
mod script;
mod setup;
mod show;
mod task;
mod told;
mod verdict;

use failure::Failure;

fn main() -> ExitCode {
    let command = match args::Args::try_parse() {
        Ok(args) => args.command,
        Err(error) => {
            // Help and version go to stdout and are no failure; clap knows which is which.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    sqlx::any::install_default_drivers();
    let done = tokio::runtime::Runtime::new().map_err(Failure::from).and_then(|runtime| match command {
        args::Command::Bank(bank) => runtime.block_on(show::run(&bank)),
        args::Command::Chaos(chaos) => runtime.block_on(chaos::run(&chaos)),
        args::Command::BankService(service) => {
            let done = runtime.block_on(bank::serve(&service)).map(|()| true).map_err(Failure::from);
            // What reads standard input cannot be told to stop.
            runtime.shutdown_background();
            done
        }
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure { error, code }) => {
            // Nobody is left to tell when stderr is gone.
            drop(writeln!(std::io::stderr(), "synod-demo: {error:#}"));
            ExitCode::from(code)
        }
    }
}
