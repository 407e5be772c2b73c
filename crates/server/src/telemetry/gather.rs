//! Log lines on their way to stderr.
//!
//! A fleet that registers writes ten thousands of lines a second, and a system call for each would cost more than the
//! registration. So lines are gathered and written together, a moment later; a warning or an error takes everything
//! before it along at once.

use std::io::{self, Write, stderr};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for company.
const LINGER: Duration = Duration::from_millis(20);
/// A buffer that is fuller than this is written by who filled it: a slow reader of the log slows down who logs.
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// The lines that are not written yet.
#[derive(Debug)]
pub(super) struct Gather {
    lines: Mutex<Vec<u8>>,
    some: Condvar,
}

/// The process has one log.
pub(super) static GATHER: Gather = Gather { lines: Mutex::new(Vec::new()), some: Condvar::new() };

impl Gather {
    /// Starts the thread that writes what was gathered.
    pub(super) fn start(&'static self) -> io::Result<()> {
        let write = move || {
            loop {
                let mut lines = self.lines();
                while lines.is_empty() {
                    lines = self.some.wait(lines).unwrap_or_else(PoisonError::into_inner);
                }
                drop(lines);
                std::thread::sleep(LINGER);
                self.flush();
            }
        };
        std::thread::Builder::new().name("log".into()).spawn(write).map(drop)
    }

    /// Writes everything now. A stderr that is gone is nobody's to tell.
    pub(super) fn flush(&self) {
        write_out(&mut self.lines());
    }

    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], urgent: bool) {
        let mut lines = self.lines();
        let was_empty = lines.is_empty();
        lines.extend_from_slice(line);
        if urgent || lines.len() > BUFFER_BYTES_MAX {
            write_out(&mut lines);
        } else if was_empty {
            self.some.notify_one();
        }
    }
}

fn write_out(lines: &mut Vec<u8>) {
    let written = stderr().lock().write_all(lines);
    drop(written);
    lines.clear();
}

/// Takes the lines of one event.
#[derive(Debug)]
pub(super) struct Line {
    urgent: bool,
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        GATHER.add(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes a [`Line`] for each event.
#[derive(Debug)]
pub(super) struct Lines;

impl MakeWriter<'_> for Lines {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line { urgent: true }
    }

    fn make_writer_for(&self, event: &Metadata<'_>) -> Line {
        Line { urgent: *event.level() <= Level::WARN }
    }
}
