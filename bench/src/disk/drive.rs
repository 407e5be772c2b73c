//! The loop that feeds a sink.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::sink::Sink;
use crate::histogram::Histogram;
use crate::{clock, process};

/// Load before anything is counted, as a share of the time.
const WARMUP: f64 = 0.2;

/// What one run gave.
pub(crate) struct Measured {
    records: u64,
    groups: u64,
    seconds: f64,
    cpu_seconds: f64,
    pub(crate) latency: Histogram,
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.records as f64 / self.seconds
    }

    pub(crate) fn per_group(&self) -> f64 {
        self.records as f64 / self.groups.max(1) as f64
    }

    /// CPU seconds of the whole process, writers and helpers included.
    pub(crate) fn cpu_per_million(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.records.max(1) as f64
    }
}

/// Writers whose record waits for the committer.
struct Queue {
    waiting: Mutex<Vec<usize>>,
    filled: Condvar,
    over: AtomicBool,
    /// One for each writer.
    done: Vec<Notify>,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Vec<usize>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, writer: usize) {
        let mut waiting = self.waiting();
        waiting.push(writer);
        if waiting.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Swaps the waiting writers for `group`, which is empty; false when the run is over.
    fn take(&self, group: &mut Vec<usize>) -> bool {
        let mut waiting = self.waiting();
        while waiting.is_empty() && !self.over.load(Ordering::Relaxed) {
            waiting = self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut *waiting, group);
        !group.is_empty()
    }
}

/// Feeds the sink for a while.
///
/// # Errors
/// When the sink fails.
pub(crate) fn run(sink: impl Sink, writers: usize, record_bytes: usize, time: Duration) -> Result<Measured> {
    let queue = Arc::new(Queue {
        waiting: Mutex::new(Vec::new()),
        filled: Condvar::new(),
        over: AtomicBool::new(false),
        done: (0..writers).map(|_| Notify::new()).collect(),
    });
    let groups = Arc::new(Mutex::new(0));
    let committer = {
        let (queue, groups) = (Arc::clone(&queue), Arc::clone(&groups));
        std::thread::spawn(move || commit(sink, &queue, record_bytes, &groups))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let count = |groups: &Mutex<u64>| *groups.lock().unwrap_or_else(PoisonError::into_inner);
    let measured = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let counting = Arc::new(AtomicBool::new(false));
        for writer in 0..writers {
            tasks.spawn(write(writer, Arc::clone(&queue), Arc::clone(&counting)));
        }
        tokio::time::sleep(time.mul_f64(WARMUP)).await;
        let (begin, cpu, before) = (clock::now(), process::cpu(std::process::id())?, count(&groups));
        counting.store(true, Ordering::Relaxed);
        tokio::time::sleep(time).await;
        counting.store(false, Ordering::Relaxed);
        let seconds = begin.elapsed().as_secs_f64();
        let cpu_seconds = process::cpu(std::process::id())?.seconds() - cpu.seconds();
        let groups = count(&groups) - before;
        queue.over.store(true, Ordering::Relaxed);
        let mut latency = Histogram::default();
        while let Some(task) = tasks.join_next().await {
            latency.merge(&task?);
        }
        anyhow::Ok(Measured { records: latency.count(), groups, seconds, cpu_seconds, latency })
    })?;
    queue.filled.notify_one();
    committer.join().ok().context("the committer panicked")??;
    Ok(measured)
}

/// One record after the other, each when the last is durable.
async fn write(writer: usize, queue: Arc<Queue>, counting: Arc<AtomicBool>) -> Histogram {
    let mut latency = Histogram::default();
    while !queue.over.load(Ordering::Relaxed) {
        let begin = clock::now();
        queue.push(writer);
        if let Some(done) = queue.done.get(writer) {
            done.notified().await;
        }
        if counting.load(Ordering::Relaxed) {
            latency.record(begin.elapsed());
        }
    }
    latency
}

fn commit(mut sink: impl Sink, queue: &Queue, record_bytes: usize, groups: &Mutex<u64>) -> Result<()> {
    // Not zeros, and not the same in every record: a disk or a checksum must not have it easier.
    let mut record: Vec<u8> = (0..record_bytes).map(|at| (at * 31 % 251) as u8).collect();
    let mut group = Vec::new();
    let mut number = 0_u64;
    while queue.take(&mut group) {
        for _ in &group {
            number += 1;
            for (byte, new) in record.iter_mut().zip(number.to_le_bytes()) {
                *byte = new;
            }
            sink.add(&record)?;
        }
        sink.commit()?;
        *groups.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        for writer in group.drain(..) {
            if let Some(done) = queue.done.get(writer) {
                done.notify_one();
            }
        }
    }
    Ok(())
}
