//! What a list consists of between its head and its tail.

use std::sync::Arc;

use synod_core::registry::{Record, Snapshot};
use synod_wire::eureka as wire;

use super::texts::{self, Sharing, Texts};
use super::{Encoder, List};

type Chunk = Arc<synod_core::registry::Chunk<Texts>>;

#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Applications of a shared chunk.
    Shared(Chunk, Option<u64>),
    /// The beginning of an application with chunks of its own.
    Open(Arc<str>),
    /// Its instances.
    Live(Chunk, Option<u64>),
    /// Its instances that left, behind all the others.
    Dead(Chunk, u64),
    /// Its end.
    Close,
    /// Between two applications or two instances.
    Separator,
}

/// The parts of a list in order. Those that would show nothing are left out, with what would stand around them.
pub(super) fn parts(snapshot: &Snapshot<Texts>, list: List) -> Vec<Part> {
    let floor = (list == List::Delta).then_some(snapshot.floor);
    let mut parts = Vec::with_capacity(2 * snapshot.shared.len());
    for chunk in &snapshot.shared {
        if shows(chunk, &chunk.live, floor) || (floor.is_some() && shows(chunk, &chunk.dead, floor)) {
            push(&mut parts, Part::Shared(Arc::clone(chunk), floor));
        }
    }
    for (app, chunks) in &snapshot.own {
        let before = parts.len();
        push(&mut parts, Part::Open(Arc::clone(app)));
        let opened = parts.len();
        for chunk in chunks.iter().filter(|chunk| shows(chunk, &chunk.live, floor)) {
            push(&mut parts, Part::Live(Arc::clone(chunk), floor));
        }
        for chunk in chunks.iter().filter(|chunk| floor.is_some() && shows(chunk, &chunk.dead, floor)) {
            push(&mut parts, Part::Dead(Arc::clone(chunk), snapshot.floor));
        }
        if parts.len() == opened {
            parts.truncate(before);
        } else {
            parts.push(Part::Close);
        }
    }
    parts
}

fn shows(chunk: &Chunk, records: &[Arc<Record>], floor: Option<u64>) -> bool {
    match floor {
        None => !records.is_empty(),
        Some(floor) => chunk.newest > floor && records.iter().any(|record| record.version > floor),
    }
}

fn push(parts: &mut Vec<Part>, part: Part) {
    if !matches!(parts.last(), None | Some(Part::Open(_))) {
        parts.push(Part::Separator);
    }
    parts.push(part);
}

impl Part {
    /// The part as text.
    pub(super) fn plain(&self, encoder: &Encoder) -> Vec<u8> {
        let (format, form) = (encoder.view.format, encoder.view.form);
        let mut out = Vec::new();
        match self {
            Self::Open(app) => wire::application_open(&mut out, format, form, app),
            Self::Close => wire::application_close(&mut out, format, form),
            Self::Separator => out.extend_from_slice(wire::separator(format)),
            Self::Shared(chunk, None) => return encoder.plain(&chunk.live, Sharing::Shared),
            Self::Live(chunk, None) => return encoder.plain(&chunk.live, Sharing::Own),
            Self::Shared(chunk, Some(floor)) => {
                let [live, dead] = texts::recent_records(chunk, *floor);
                return encoder.plain(&texts::by_application(live, dead), Sharing::Shared);
            }
            Self::Live(chunk, Some(floor)) => {
                return encoder.plain(&texts::recent_records(chunk, *floor)[0], Sharing::Own);
            }
            Self::Dead(chunk, floor) => {
                return encoder.plain(&texts::recent_records(chunk, *floor)[1], Sharing::Own);
            }
        }
        out
    }
}
