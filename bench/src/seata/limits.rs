//! What this machine allows at the time: how long it takes to make something durable, and how long a frame takes there and back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::work::Work;
use crate::coordinator::System;
use crate::histogram::Histogram;
use crate::{clock, disk};

/// Bytes of a transaction's record in the log, about.
const RECORD_BYTES: usize = 256;
/// Bytes of a frame, about.
const FRAME_BYTES: usize = 64;
/// For how long each is measured.
const TIME: Duration = Duration::from_millis(700);

/// Medians, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Limits {
    /// One record to a bare, pre-zeroed file, by one writer.
    pub(super) flush_ms: f64,
    /// A frame that comes back over the loopback interface.
    pub(super) round_trip_ms: f64,
}

impl Limits {
    /// Measures both.
    ///
    /// # Errors
    /// When disk or loopback interface fail.
    pub(super) fn measure() -> Result<Self> {
        let flush = disk::limit(1, RECORD_BYTES, TIME)?;
        Ok(Self { flush_ms: flush.latency.quantile_ms(0.5), round_trip_ms: round_trip()?.quantile_ms(0.5) })
    }

    /// Transactions per second of so many clients that wait for nothing else.
    pub(super) fn per_second(&self, work: Work, system: System, clients: usize) -> f64 {
        let flushes = if system.is_durable() { work.flushes() } else { 0 };
        let waited_ms = flushes as f64 * self.flush_ms + work.round_trips() as f64 * self.round_trip_ms;
        clients as f64 * 1000.0 / waited_ms
    }
}

fn round_trip() -> Result<Histogram> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut frame = [0; FRAME_BYTES];
        // Ends with an error, when the other side is done.
        loop {
            stream.read_exact(&mut frame)?;
            stream.write_all(&frame)?;
        }
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut latency, mut frame) = (Histogram::default(), [7; FRAME_BYTES]);
    let begin = clock::now();
    while begin.elapsed() < TIME {
        let sent = clock::now();
        stream.write_all(&frame)?;
        stream.read_exact(&mut frame)?;
        latency.record(sent.elapsed());
    }
    drop(stream);
    echo.join().ok().context("the echo panicked")?.err().context("the echo ended by itself")?;
    Ok(latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_is_waited_for() {
        let limits = Limits { flush_ms: 0.2, round_trip_ms: 0.05 };
        let per_second = |work, system| limits.per_second(work, system, 8).round();
        assert_eq!(per_second(Work::Tcc, System::Synod), 7273.0, "8 / (4 × 0.2 + 6 × 0.05) ms");
        assert_eq!(per_second(Work::At, System::SeataSync), 8000.0);
        assert_eq!(per_second(Work::Empty, System::SeataAsync), 80_000.0);
    }

    #[test]
    fn frames_come_back() {
        assert!(round_trip().unwrap().count() > 0);
    }
}
