//! What can be typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

/// Where services meet and agree: service registry and distributed transactions in one binary.
#[derive(Debug, Parser)]
#[command(name = "synod", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until SIGTERM or SIGINT
    Serve(Serve),
    /// Print every configuration key, its default and what it means
    Config(Config),
    /// Look at the log of transactions as it lies on the disk
    #[command(subcommand)]
    Log(Log),
    #[command(flatten)]
    Query(QueryCommand),
}

/// Layers, later ones win: defaults, --config, the environment (`SYNOD_SECTION__KEY`), --set.
#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// A TOML file with configuration keys
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The host of every listener that has its default address
    #[arg(long, value_name = "ADDR")]
    pub(crate) bind: Option<String>,
    /// Sets a configuration key; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Config {
    /// As a JSON array
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// As the page docs/config.md
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Show segments, entries and damage; nothing is changed, and a node may be running. Ends with 3 if something is damaged
    Inspect(LogInspect),
    /// For tests: undo what a node that was killed had not made durable, as a power cut would have
    #[command(hide = true)]
    PowerCut(LogPowerCut),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogPowerCut {
    /// The data directory
    pub(crate) dir: PathBuf,
    /// What `raft.power_cut_journal` was
    pub(crate) journal: PathBuf,
    /// Let a part of it survive, by this seed
    #[arg(long, value_name = "SEED")]
    pub(crate) torn: Option<u64>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogInspect {
    /// The data directory, or the directory `log` in it
    pub(crate) dir: PathBuf,
    /// Print every record, not only what is damaged
    #[arg(long)]
    pub(crate) records: bool,
    /// Print a JSON object a line; the last one is the summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// Commands that ask a running node.
#[derive(Debug, Subcommand)]
pub(crate) enum QueryCommand {
    /// Show a node and its registry
    Status(Target),
    /// List the services
    Services(Services),
    /// List instances, of one service or of all
    Instances(Instances),
    /// List the peers and how replication to them goes
    Peers(Target),
    /// Put an instance's status aside in favour of another, or end that
    Override(Override),
    /// Look at global transactions, and help those that are stuck
    #[command(subcommand)]
    Txn(Txn),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Txn {
    /// List transactions, those begun last first
    List(TxnList),
    /// Show one transaction with its branches and what was tried
    Show(TxnOne),
    /// Make all calls of a transaction due now
    Retry(TxnOne),
    /// End a transaction, whatever its branches know
    Stop(TxnStop),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TxnList {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Only this status; `open` for all that have not ended, `ended` for all that have
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only this mode: `xa`, `tcc`, `saga`, `message`, `notification` or `workflow`
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// Only those of this name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Only those whose gid begins like this
    #[arg(long, value_name = "TEXT")]
    pub(crate) gid_prefix: Option<String>,
    /// Only those that somebody should look at
    #[arg(long)]
    pub(crate) attention: bool,
    /// As many at most
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TxnOne {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Its XID (`host:port:number`) or gid
    pub(crate) id: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct TxnStop {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Its XID (`host:port:number`) or gid
    pub(crate) id: String,
    /// Why, for those who look at it later
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

/// Which node is asked, and how the answer is shown.
#[derive(Debug, ClapArgs)]
pub(crate) struct Target {
    /// The node's base URL
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8761")]
    pub(crate) server: String,
    /// Certificate authorities trusted besides the system's, if the URL is an https one
    #[arg(long, value_name = "FILE", default_value = "", hide_default_value = true)]
    pub(crate) tls_roots: String,
    /// Print the API's JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Services {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Only services whose name contains this
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) query: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Instances {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Only this service
    pub(crate) service: Option<String>,
    /// Only instances whose service, id, host or IP contains this
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) query: Option<String>,
    /// Only instances of this status
    #[arg(long)]
    pub(crate) status: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Override {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The service
    pub(crate) app: String,
    /// The instance
    pub(crate) id: String,
    /// The status it has from now on: `UP`, `DOWN`, `STARTING`, `OUT_OF_SERVICE` or `UNKNOWN`
    #[arg(required_unless_present = "clear", conflicts_with = "clear")]
    pub(crate) status: Option<String>,
    /// Give it back the status it reports itself
    #[arg(long)]
    pub(crate) clear: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_override_is_set_or_cleared() {
        let parse =
            |words: &[&str]| Args::try_parse_from([&["synod", "override", "APP", "id"], words].concat());
        assert!(parse(&["OUT_OF_SERVICE"]).is_ok() && parse(&["--clear"]).is_ok());
        assert!(parse(&[]).is_err() && parse(&["UP", "--clear"]).is_err());
    }
}
