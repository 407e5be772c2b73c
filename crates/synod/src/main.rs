//! The one binary: the server, and a thin command line over its API.
//!
//! Exit codes: 0 clean, 1 failed at run time, 2 bad usage or configuration, 3 data directory unusable or in use.

use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod client;
mod log;
mod output;
mod query;
mod serve;
mod txn;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why a command ended badly: what to say, and the exit code.
#[derive(Debug)]
struct Failure {
    error: anyhow::Error,
    code: u8,
}

impl Failure {
    /// Bad usage or configuration.
    fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code: 2 }
    }
}

/// Whatever has no exit code of its own failed at run time.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), code: 1 }
    }
}

fn main() -> ExitCode {
    let command = match args::Args::try_parse() {
        Ok(args) => args.command,
        Err(error) => {
            // Help and version go to stdout and are no failure; clap knows which is which.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return if error.print().is_ok() { ExitCode::from(code) } else { ExitCode::FAILURE };
        }
    };
    let done = match command {
        args::Command::Serve(serve) => serve::run(serve),
        args::Command::Config(config) => output::config(&config),
        args::Command::Log(args::Log::Inspect(inspect)) => log::inspect(&inspect),
        args::Command::Log(args::Log::PowerCut(cut)) => log::power_cut(&cut),
        args::Command::Query(query) => query::run(query),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { error, code }) => {
            output::error(&error);
            ExitCode::from(code)
        }
    }
}
