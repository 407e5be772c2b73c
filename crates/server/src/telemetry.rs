//! Logging: one line an event on stderr, as text for people or as JSON for collectors.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogConfig;

mod gather;

use gather::{GATHER, Lines};

/// Starts logging for the whole process, panics included; to be called once, by the binary.
///
/// # Errors
/// When `log.level` is not a list of levels; the text says how one looks.
pub fn init(config: &LogConfig) -> Result<(), String> {
    let filter: Targets = config.level.parse().map_err(|error| {
        format!(
            "bad value \"{}\" for \"log.level\" ({error}): expected a level such as \"info\", \
             or levels by module such as \"info,synod_server::net=debug\"",
            config.level
        )
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(Lines);
    let started = if config.format == "json" {
        registry
            .with(lines.json().flatten_event(true).with_current_span(true).with_span_list(false))
            .try_init()
    } else {
        registry.with(lines.with_ansi(stderr().is_terminal())).try_init()
    };
    started.map_err(|error| error.to_string())?;
    GATHER.start().map_err(|error| format!("cannot start the thread that writes the log: {error}"))?;
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("(no message)");
        let place = info.location().map(ToString::to_string);
        // As a field it is escaped, and stays on one line.
        tracing::error!(place, panic = message, "panicked");
    }));
    Ok(())
}

/// Writes what was logged and not written yet; to be called before the process ends.
pub fn flush() {
    GATHER.flush();
}
