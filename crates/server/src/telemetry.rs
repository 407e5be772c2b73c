//! Logging: one line an event on stderr, as text for people or as JSON for collectors.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::filter::{LevelFilter, Targets};
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
    let registry = tracing_subscriber::registry().with(with_quiet_library(filter, &config.level));
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

/// The consensus library tells its inner life at the level at which we tell what an operator wants to know; unless it is asked
/// for by name, only its warnings are heard.
fn with_quiet_library(filter: Targets, level: &str) -> Targets {
    const LIBRARY: &str = "openraft";
    if level.contains(LIBRARY) {
        return filter;
    }
    let quiet = filter.default_level().unwrap_or(LevelFilter::OFF).min(LevelFilter::WARN);
    filter.with_target(LIBRARY, quiet)
}

/// Writes what was logged and not written yet; to be called before the process ends.
pub fn flush() {
    GATHER.flush();
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_library_is_quiet_unless_it_is_asked_for() {
        for (level, info, warn) in [
            ("info", false, true),
            ("error", false, false),
            ("off", false, false),
            ("warn,openraft=debug", true, true),
            ("synod_server=debug", false, false),
        ] {
            let filter = with_quiet_library(level.parse().unwrap(), level);
            let hears = |wanted| filter.would_enable("openraft::core", &wanted);
            assert_eq!((hears(Level::INFO), hears(Level::WARN)), (info, warn), "{level}");
        }
    }
}
