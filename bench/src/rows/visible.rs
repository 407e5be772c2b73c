//! How long after its answer a change is in the list that a reader gets, on the same node and on another one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::bench::{Bench, explain, progress};
use crate::clock;
use crate::histogram::Histogram;
use crate::job::{Fleet, Job};
use crate::load::connection::Connection;
use crate::result::{Figure, Goal, Row, Unit};
use crate::server::{Kind, Server, Settings, free_port};
use crate::verify;

const SIZE: u64 = 1_000;
/// After this a change counts as lost.
const VISIBLE_MAX: Duration = Duration::from_secs(120);

/// Writes a change, then reads lists until one shows it; from the write's answer to the end of that list.
///
/// # Errors
/// When a server does not start, or a change does not appear.
pub(super) fn run(bench: &Bench, other_node: bool) -> Result<Vec<Row>> {
    let (id, where_, most) = match other_node {
        false => ("visible-same-node", "on the same node", 5.0),
        true => ("visible-other-node", "on another node", 10.0),
    };
    let mut figures = Vec::new();
    for kind in bench.kinds() {
        progress(&format!("{id}: {}", kind.name()));
        let fleet = Fleet::new(SIZE, 100);
        let nodes = if other_node {
            start_pair(bench, kind)?
        } else {
            vec![bench.start(kind, 0, &Settings::default())?]
        };
        let (writer, reader) = (&nodes[0], &nodes[nodes.len() - 1]);
        bench.fill(writer, &fleet)?;
        wait_for_fleet(reader, &fleet)?;
        let latency = explain(reader, sample(bench, kind, writer, reader, &fleet))?;
        figures.push(Figure { kind, value: latency.quantile_ms(0.99), run: None });
    }
    let work = format!("change visible to a list reader {where_}, from its answer; {SIZE} instances");
    let mut row = bench.row(id, &work, Unit::P99Ms, Goal { at_most: Some(most), ..Goal::default() }, figures);
    let note = |kind: Kind| format!("{}: {} changes, one after the other", kind.name(), count(bench, kind));
    row.notes.extend(bench.kinds().into_iter().map(note));
    Ok(vec![row])
}

/// Changes that are followed; Java shows each after up to 30 s.
fn count(bench: &Bench, kind: Kind) -> u64 {
    match kind {
        Kind::Java => {
            if bench.options.quick {
                1
            } else {
                5
            }
        }
        Kind::Synod | Kind::Echo => (bench.options.measure().as_secs_f64() * 100.0) as u64,
    }
}

fn sample(
    bench: &Bench,
    kind: Kind,
    writer: &Server,
    reader: &Server,
    fleet: &Arc<Fleet>,
) -> Result<Histogram> {
    let (write, read) = (Job::register(fleet, SIZE), Job::list(fleet));
    let (mut writes, mut reads) = (Connection::new(writer.addr), Connection::new(reader.addr));
    let (mut change, mut list) = (Vec::new(), Vec::new());
    read.compose(0, &mut list);
    let mut latency = Histogram::default();
    let samples = count(bench, kind);
    // The first tenth warms the server up.
    let warm = samples / 10;
    for number in 0..warm + samples {
        change.clear();
        let version = write.compose(number, &mut change).to_string();
        write.check(writes.exchange(&change, false)?)?;
        let answered = clock::now();
        let visible = loop {
            read.check(reads.exchange(&list, true)?)?;
            let age = answered.elapsed();
            let plain = verify::inflate(&reads.take_kept().1)?.into_owned();
            if contains(&plain, version.as_bytes()) {
                break age;
            }
            if age > VISIBLE_MAX {
                bail!("a change is not visible after {VISIBLE_MAX:?}");
            }
            if kind == Kind::Java {
                // Asking without a pause for 30 s would measure a saturated server.
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        if number >= warm {
            latency.record(visible);
        }
    }
    Ok(latency)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Two nodes with each other as peer.
fn start_pair(bench: &Bench, kind: Kind) -> Result<Vec<Server>> {
    let ports = [free_port()?, free_port()?];
    let peer_of = |at: usize| format!("http://127.0.0.1:{}/eureka", ports[1 - at]);
    let settings = [0, 1].map(|at| Settings {
        synod: vec![format!("registry.peers={}", peer_of(at))],
        java: vec![
            format!("--eureka.client.service-url.defaultZone={}/", peer_of(at)),
            "--eureka.client.register-with-eureka=true".into(),
            "--eureka.client.fetch-registry=true".into(),
            "--eureka.server.registry-sync-retries=1".into(),
            "--eureka.server.registry-sync-retry-wait-ms=500".into(),
            "--eureka.server.wait-time-in-ms-when-sync-empty=0".into(),
            "--eureka.server.peer-node-read-timeout-ms=2000".into(),
        ],
    });
    let start = |at: usize| bench.start(kind, ports[at], &settings[at]);
    Ok(vec![start(0)?, start(1)?])
}

fn wait_for_fleet(server: &Server, fleet: &Arc<Fleet>) -> Result<()> {
    let job = Job::list(fleet);
    let mut request = Vec::new();
    job.compose(0, &mut request);
    let mut connection = Connection::new(server.addr);
    let mut found = Ok(0);
    let done = clock::wait_until(VISIBLE_MAX, Duration::from_millis(50), || {
        let answer = connection.exchange(&request, true);
        found = answer.and_then(|_| verify::count_instances(&connection.take_kept().1));
        found.as_ref().map_or(true, |count| *count as u64 >= fleet.size)
    });
    let found = found.context("waiting for the fleet")?;
    ensure!(done, "{} shows {found} of {} instances after {VISIBLE_MAX:?}", server.kind.name(), fleet.size);
    Ok(())
}
