//! What this machine allows: exchanges with an echo server, groups that the disk makes durable.

use anyhow::Result;

use super::drive::{Load, Until};
use super::result::{Measured, Row};
use super::server::System;
use super::work::Work;
use super::{Bench, participant};
use crate::server::Server;
use crate::{disk, process};

/// What the echo server answers.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n{\"dtm_result\":\"SUCCESS\"}";
/// Bytes of a saga of the bench in the log, about.
const RECORD_BYTES: usize = 400;
/// A saga is made durable two times: when it begins and when it ends.
const GROUPS_PER_SAGA: f64 = 2.0;

/// An echo server does what a saga's server does on the network: it answers a request; and it makes two, which cost about
/// as much as answering two.
///
/// # Errors
/// When the echo server does not start.
pub(super) fn echo(bench: &Bench, clients: usize) -> Result<Row> {
    let server = Server::echo(ANSWER)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (_listener, participant) = participant::listen(0)?;
        let load = Load { work: Work::Echo, server: server.addr, participant, clients };
        load.run(0, Until::Elapsed(bench.options.warm())).await?;
        let before = process::cpu(server.pid())?.seconds();
        let others = process::Others::watch(&[server.pid()])?;
        let driven = load.run(0, Until::Elapsed(bench.options.measure())).await?;
        let cpu = process::cpu(server.pid())?.seconds() - before;
        let count = driven.latency.count();
        let measured = Measured {
            per_second: count as f64 / driven.elapsed.as_secs_f64(),
            latency: driven.latency.summary(),
            cpu_per_1000: Some(cpu * 1000.0 / count.max(1) as f64),
            flushes: None,
            others_cores: others.used()? / driven.elapsed.as_secs_f64(),
        };
        Ok(bench.row(Work::Echo, clients, System::Echo, measured, Vec::new()))
    })
}

/// The disk at its best: a bare, pre-zeroed file, one write and one `fdatasync` a group.
///
/// # Errors
/// When the disk fails.
pub(super) fn disk(bench: &Bench, clients: usize) -> Result<Row> {
    let limit = disk::limit(clients, RECORD_BYTES, bench.options.measure())?;
    let mut latency = limit.latency.summary();
    latency.p50_ms *= GROUPS_PER_SAGA;
    latency.p99_ms *= GROUPS_PER_SAGA;
    let measured = Measured {
        per_second: limit.per_second() / GROUPS_PER_SAGA,
        latency,
        cpu_per_1000: None,
        flushes: Some(GROUPS_PER_SAGA / limit.per_group()),
        others_cores: 0.0,
    };
    let mut row = bench.row(Work::Echo, clients, System::Disk, measured, Vec::new());
    row.work = "a saga's two records, each made durable".into();
    Ok(row)
}
