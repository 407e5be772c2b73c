//! Measures Synod against the servers that it replaces: same machine, same load generator, same run; ratios and server
//! CPU seconds, because the load and the server share the machine's cores. Run it as `cargo xtask bench registry`; the
//! durable log against its disk as `cargo xtask bench log`; global transactions beside dtm as `cargo xtask bench txn`; Seata's protocol as
//! `cargo xtask bench seata`; the modes of the SDK as `cargo xtask bench sdk`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod clock;
mod coordinator;
mod disk;
mod echo;
mod histogram;
mod job;
mod jvm;
mod load;
mod mix;
mod process;
mod report;
mod response;
mod result;
mod rows;
mod sdk;
mod seata;
mod server;
mod suite;
mod template;
mod txn;
mod verify;

use bench::{Bench, Options};

#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Synod's registry against a Spring Cloud Eureka server, and an echo server as the limit.
    Registry(Options),
    /// The durable log against a bare, pre-zeroed file.
    Log(disk::Options),
    /// Global transactions beside dtm, and an echo server and a bare file as the limits.
    Txn(txn::Options),
    /// Seata's protocol beside Seata's own server, by frames as cheap as can be and by its own Java client.
    Seata(seata::Options),
    /// What each mode of the SDK costs beside plain local transactions, and Seata's Java client beside its own.
    Sdk(sdk::Options),
    /// The echo server on its own: answers everything with one recorded response, prints its address.
    Echo {
        /// File with the response, head and body as on the wire.
        #[arg(long)]
        answer: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Registry(options) => registry(options),
        Command::Log(options) => disk::run(&options),
        Command::Txn(options) => txn::run(options),
        Command::Seata(options) => seata::run(options),
        Command::Sdk(options) => sdk::run(options),
        Command::Echo { answer } => echo::serve(&answer).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when stderr is gone.
            writeln!(std::io::stderr(), "error: {error:#}").ok();
            ExitCode::FAILURE
        }
    }
}

/// False when a row failed; the others are measured and kept all the same.
fn registry(options: Options) -> Result<bool> {
    let mut out = std::io::stdout();
    if let Some(page) = &options.markdown {
        let rows = rows::in_order(report::load(&report::store_path())?);
        report::write_markdown(page, &rows)?;
        writeln!(out, "{} has {} rows", page.display(), rows.len())?;
        return Ok(true);
    }
    let scenarios = rows::selected(&options)?;
    if options.list {
        for scenario in scenarios {
            writeln!(out, "{}", scenario.ids().join(" "))?;
        }
        return Ok(true);
    }
    // A file that holds something else must be known before the measuring, not after it.
    report::load(&report::store_path())?;
    let bench = Bench::new(options)?;
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for scenario in scenarios {
        match scenario.run(&bench) {
            Ok(new) => {
                writeln!(out, "{}", report::text(&new))?;
                report::store(&report::store_path(), &new)?;
                rows.extend(new);
            }
            Err(error) => {
                writeln!(out, "{} FAILED: {error:#}\n", scenario.ids().join(", "))?;
                failed.push(scenario.ids().join(", "));
            }
        }
    }
    writeln!(out, "{}", report::table(&rows))?;
    writeln!(out, "kept in {}", report::store_path().display())?;
    if !failed.is_empty() {
        writeln!(out, "FAILED: {}", failed.join(", "))?;
    }
    Ok(failed.is_empty())
}
