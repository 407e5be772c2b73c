//! What happened, in words, for whoever has to understand a failure.

use std::collections::VecDeque;
use std::fmt::Write as _;

/// Lines kept.
const LINES_MAX: usize = 20_000;
/// Lines shown of the end of a failed run, besides those about the instance in question.
const TAIL: usize = 60;

/// The lines, newest last.
#[derive(Debug, Default)]
pub struct Timeline {
    lines: VecDeque<(u64, String)>,
    verbose: bool,
}

impl Timeline {
    /// An empty one; a verbose one also writes to standard error as it goes.
    pub fn new(verbose: bool) -> Self {
        Self { lines: VecDeque::new(), verbose }
    }

    /// Notes what happened at `at_ms`.
    pub fn note(&mut self, at_ms: u64, line: String) {
        if self.verbose {
            eprintln!("{:>9.3} {line}", at_ms as f64 / 1_000.0);
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back((at_ms, line));
    }

    /// The end of it, and before that every line that names `subject`.
    pub fn excerpt(&self, subject: &str) -> String {
        let tail_from = self.lines.len().saturating_sub(TAIL);
        let mut text = String::new();
        for (number, (at_ms, line)) in self.lines.iter().enumerate() {
            let about = line.split([' ', ':', ',']).any(|word| word == subject);
            if number >= tail_from || about || line.starts_with("fault") {
                writeln!(text, "{:>9.3} {line}", *at_ms as f64 / 1_000.0).expect("a string takes all");
            }
        }
        text
    }
}
