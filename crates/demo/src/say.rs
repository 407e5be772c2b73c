//! What is shown, while it happens: the only place that writes to the terminal.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::task::now;

/// Who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Demo,
    Coordinator,
    BankA,
    BankB,
}

/// Shows lines.
#[derive(Clone, Debug)]
pub(crate) struct Say(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    colours: bool,
    began: Mutex<Instant>,
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Coordinator => "coordinator",
            Self::BankA => "bank A",
            Self::BankB => "bank B",
        }
    }

    const fn colour(self) -> &'static str {
        match self {
            Self::Demo => "1",
            Self::Coordinator => "35",
            Self::BankA => "36",
            Self::BankB => "33",
        }
    }
}

impl Say {
    /// Colours for a terminal, unless `NO_COLOR` is set.
    pub(crate) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(Arc::new(Inner { colours: stdout().is_terminal() && !unwanted, began: Mutex::new(now()) }))
    }

    /// A transfer begins: times are counted from here.
    pub(crate) fn begin(&self, title: &str) {
        *self.0.began.lock().unwrap_or_else(PoisonError::into_inner) = now();
        self.text(&format!("\n{}", self.painted("1", title)));
    }

    /// Since the transfer began.
    pub(crate) fn seconds(&self) -> f64 {
        let began = *self.0.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.elapsed().as_secs_f64()
    }

    /// Somebody does something.
    pub(crate) fn line(&self, who: Who, words: &str) {
        let name = self.painted(who.colour(), &format!("{:<11}", who.name()));
        self.text(&format!("  {:7.3}  {name}  {words}", self.seconds()));
    }

    /// What was checked.
    pub(crate) fn verdict(&self, holds: bool, words: &str) {
        self.text(&format!("  {}", self.painted(if holds { "1;32" } else { "1;31" }, words)));
    }

    /// A line as it is. A reader that has left, such as `head`, is no failure.
    pub(crate) fn text(&self, line: &str) {
        drop(writeln!(stdout().lock(), "{line}"));
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.0.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
