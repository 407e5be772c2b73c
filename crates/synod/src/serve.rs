//! `synod serve`: configuration, logging, a node, and the signals that end it.

use std::time::Duration;

use synod_server::clock::Clock;
use synod_server::config::{Config, Sources};
use synod_server::start::start;
use synod_server::{VERSION, telemetry};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Failure, args};

/// The whole stop, from the signal to the exit.
const STOP: Duration = Duration::from_millis(9_500);

/// Runs a node until it is told to end.
pub(crate) fn run(args: args::Serve) -> Result<(), Failure> {
    let clock = Clock::system();
    let env = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
    let sources =
        Sources { file: args.config, env: env.collect(), set: args.set, bind: args.bind, data: args.data };
    let config = Config::load(&sources).map_err(Failure::usage)?;
    telemetry::init(&config.log).map_err(|error| Failure::usage(anyhow::Error::msg(error)))?;
    raise_descriptor_limit(config.http.connections_max);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(serve(config, clock));
    telemetry::flush();
    // Whatever still runs by now had its time.
    runtime.shutdown_background();
    done
}

async fn serve(config: Config, clock: Clock) -> Result<(), Failure> {
    // Before anything is bound: a signal from here on is a stop, not a kill.
    let mut signals =
        Signals { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? };
    let running = start(config, clock)
        .await
        .map_err(|error| Failure { code: error.exit_code(), error: error.into() })?;
    let node = &running.node;
    let addresses: Vec<_> =
        running.addresses.iter().map(|(name, address)| format!("{name}={address}")).collect();
    tracing::info!(
        version = VERSION,
        node = node.name,
        id = %node.id,
        addresses = addresses.join(" "),
        ready_ms = node.clock.now().mono_ms,
        "ready"
    );
    let name = signals.next().await;
    tracing::info!(signal = name, "stopping");
    tokio::select! {
        stopped = tokio::time::timeout(STOP, running.stop()) => match stopped {
            Ok(()) => tracing::info!("stopped"),
            Err(_) => tracing::warn!("stopped without having finished everything"),
        },
        name = signals.next() => return Err(anyhow::anyhow!("cut short by a second signal ({name})").into()),
    }
    Ok(())
}

/// The signals that end a node.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// Waits for one of them, and says which it was.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}

/// Raises the soft limit on open files to the hard one: shells start us with 1,024, and each connection needs one.
fn raise_descriptor_limit(connections_max: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            limit.current = before;
            tracing::warn!(%error, "cannot raise the limit on open files");
        }
    }
    if let Some(files) = limit.current
        && files < connections_max as u64
    {
        tracing::warn!(files, connections_max, "fewer open files are allowed than connections");
    }
}
