//! The bodies of the long answers: the full list and the delta, in every view.
//!
//! A body is made by the first reader of a version and shared by all others of that version; a reader that comes later than
//! a change waits for a body that shows it. It is joined from the chunks' pieces ([`texts`]), so that a change costs one
//! chunk to encode and one copy of the (deflated) list, whatever the size of the registry.

use std::iter;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use synod_core::registry::{Chunk, Record, Registry, Snapshot};
use synod_wire::eureka::{self as wire, Form, Format, Place};
use tokio::sync::Mutex;

use self::gzip::Joiner;
use self::parts::{Part, parts};
use self::texts::Sharing;
use crate::registry::convert;

pub(crate) mod gzip;
mod parts;
#[cfg(test)]
mod tests;
mod texts;

pub use texts::Texts;

/// A body with at most this many stale chunks, and of at most this many in all, is made on the spot (in less than a
/// millisecond); a larger one on a thread that may take its time, so that nobody else waits for it.
const INLINE: (usize, usize) = (2, 256);

/// Format and form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// JSON or XML.
    pub format: Format,
    /// Full or compact.
    pub form: Form,
}

impl View {
    const COUNT: usize = 4;

    fn index(self) -> usize {
        usize::from(self.format == Format::Xml) * 2 + usize::from(self.form == Form::Compact)
    }
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Everybody.
    Full,
    /// What changed lately.
    Delta,
}

/// Turns records into text of one view.
#[derive(Clone, Debug)]
pub struct Encoder {
    view: View,
    own: Arc<OwnInstance>,
}

/// The instance that stands for this very server; it is marked in lists.
#[derive(Debug, Default)]
pub struct OwnInstance {
    /// Its application, empty for none.
    pub app: String,
    /// Its id.
    pub id: String,
}

impl Encoder {
    /// Appends one record; `renewed_ms` is the renewal to show.
    pub fn instance(&self, out: &mut Vec<u8>, record: &Record, renewed_ms: u64, place: Place) {
        let coordinating = *record.instance.app == *self.own.app && *record.instance.id == *self.own.id;
        let shown = convert::shown(record, renewed_ms, coordinating);
        wire::write_instance(out, &shown, self.view.format, self.view.form, place);
    }

    /// The document of one application.
    pub fn application(&self, name: &str, records: &[Arc<Record>]) -> Vec<u8> {
        let own =
            |record: &Record| *record.instance.app == *self.own.app && *record.instance.id == *self.own.id;
        let shown: Vec<_> =
            records.iter().map(|record| convert::shown(record, record.renewed_ms, own(record))).collect();
        let mut out = Vec::with_capacity(records.len() * 1_100 + 64);
        wire::write_application_document(&mut out, name, &shown, self.view.format, self.view.form);
        out
    }

    /// The list of the applications that were found for a virtual address (`eureka.md` 1.9).
    pub fn found(&self, applications: &[Vec<Arc<Record>>]) -> Vec<u8> {
        let mut totals = synod_core::registry::Totals::default();
        let records: Vec<_> = applications.iter().flatten().cloned().collect();
        records.iter().for_each(|record| totals.add(record));
        let mut out = Vec::new();
        self.head(&mut out, -1, &totals.hash());
        out.extend_from_slice(&self.plain(&records, Sharing::Shared));
        self.tail(&mut out, -1, &totals.hash());
        out
    }

    /// What stands before and behind the instances in the document of one application.
    fn around_application(&self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        wire::application_document_open(&mut head, self.view.format, self.view.form, name);
        wire::application_document_close(&mut tail, self.view.format, self.view.form);
        (head, tail)
    }

    fn head(&self, out: &mut Vec<u8>, number: i64, hash: &str) {
        wire::list_head(out, self.view.format, self.view.form, number, hash);
    }

    fn tail(&self, out: &mut Vec<u8>, number: i64, hash: &str) {
        wire::list_tail(out, self.view.format, self.view.form, number, hash);
    }
}

/// A body and what it shows.
#[derive(Debug)]
struct Made {
    version: u64,
    floor: u64,
    body: Bytes,
}

#[derive(Debug, Default)]
struct Slot {
    made: ArcSwapOption<Made>,
    making: Mutex<()>,
}

impl Slot {
    fn at_least(&self, version: u64, floor: u64) -> Option<Bytes> {
        let made = self.made.load();
        let made = made.as_ref()?;
        (made.version >= version && made.floor >= floor).then(|| made.body.clone())
    }
}

/// The bodies of all views.
#[derive(Debug)]
pub struct Lists {
    own: Arc<OwnInstance>,
    slots: [[Slot; View::COUNT]; 2],
}

impl Lists {
    /// Nothing made yet.
    pub fn new(own: OwnInstance) -> Self {
        Self { own: Arc::new(own), slots: Default::default() }
    }

    /// The instance that stands for this server.
    pub fn own(&self) -> &OwnInstance {
        &self.own
    }

    /// An encoder of one view.
    pub fn encoder(&self, view: View) -> Encoder {
        Encoder { view, own: Arc::clone(&self.own) }
    }

    /// The gzip body of a list, showing at least everything that was answered before this call.
    pub async fn gzip(&self, registry: &Registry<Texts>, list: List, view: View) -> Bytes {
        let (version, floor) = (registry.version(), registry.floor());
        let slot = &self.slots[list as usize][view.index()];
        if let Some(body) = slot.at_least(version, floor) {
            return body;
        }
        let _making = slot.making.lock().await;
        if let Some(body) = slot.at_least(version, floor) {
            return body;
        }
        self.make(slot, &Arc::new(registry.snapshot()), list, view).await
    }

    /// The registry as it is now, and the gzip body of its full list at exactly that version.
    pub async fn gzip_with_snapshot(
        &self,
        registry: &Registry<Texts>,
        view: View,
    ) -> (Arc<Snapshot<Texts>>, Bytes) {
        let slot = &self.slots[List::Full as usize][view.index()];
        let _making = slot.making.lock().await;
        let snapshot = Arc::new(registry.snapshot());
        let made = slot.made.load().as_ref().filter(|made| made.version == snapshot.version).cloned();
        let body = match made {
            Some(made) => made.body.clone(),
            None => self.make(slot, &snapshot, List::Full, view).await,
        };
        (snapshot, body)
    }

    /// Makes the body of a snapshot, to be shared by all readers of its version.
    async fn make(&self, slot: &Slot, snapshot: &Arc<Snapshot<Texts>>, list: List, view: View) -> Bytes {
        let expected = slot.made.load().as_ref().map_or(0, |made| made.body.len());
        let encoder = self.encoder(view);
        let (version, floor) = (snapshot.version, snapshot.floor);
        let (stale, all) = encoder.stale(snapshot, list);
        let body = if stale <= INLINE.0 && all <= INLINE.1 {
            encoder.join(snapshot, list, expected)
        } else {
            let snapshot = Arc::clone(snapshot);
            let join = move || encoder.join(&snapshot, list, expected);
            tokio::task::spawn_blocking(join).await.expect("encoding a list cannot fail")
        };
        slot.made.store(Some(Arc::new(Made { version, floor, body: body.clone() })));
        body
    }

    /// The gzip body of an application that has chunks of its own: their texts are shared with the full list.
    pub fn application(&self, name: &str, chunks: &[Arc<Chunk<Texts>>], view: View) -> Bytes {
        let encoder = self.encoder(view);
        let mut joiner = Joiner::new(0);
        let (head, tail) = encoder.around_application(name);
        joiner.text(&head);
        let mut separator: &[u8] = b"";
        for chunk in chunks.iter().filter(|chunk| !chunk.live.is_empty()) {
            joiner.text(separator);
            joiner.piece(&encoder.full(chunk, Sharing::Own));
            separator = wire::separator(view.format);
        }
        joiner.text(&tail);
        joiner.finish()
    }

    /// The plain body of a list, made piece by piece while it is sent.
    pub fn plain(
        &self,
        registry: &Registry<Texts>,
        list: List,
        view: View,
    ) -> impl Iterator<Item = Bytes> + use<> {
        let encoder = self.encoder(view);
        let snapshot = registry.snapshot();
        let mut parts = parts(&snapshot, list).into_iter();
        let (number, hash) = (snapshot.number(list), snapshot.totals.hash());
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        encoder.head(&mut head, number, &hash);
        encoder.tail(&mut tail, number, &hash);
        let body = iter::from_fn(move || parts.next().map(|part| Bytes::from(part.plain(&encoder))));
        iter::once(Bytes::from(head)).chain(body).chain(iter::once(Bytes::from(tail)))
    }
}

impl Encoder {
    /// How many chunks have no text yet, and how many there are.
    fn stale(&self, snapshot: &Snapshot<Texts>, list: List) -> (usize, usize) {
        let floor = (list == List::Delta).then_some(snapshot.floor);
        let own = snapshot.own.iter().flat_map(|(_, chunks)| chunks);
        let chunks = snapshot.shared.iter().chain(own);
        chunks.fold((0, 0), |(stale, all), chunk| (stale + usize::from(self.lacks(chunk, floor)), all + 1))
    }

    fn join(&self, snapshot: &Snapshot<Texts>, list: List, expected: usize) -> Bytes {
        let (number, hash) = (snapshot.number(list), snapshot.totals.hash());
        let mut joiner = Joiner::new(expected);
        let mut text = Vec::new();
        self.head(&mut text, number, &hash);
        joiner.text(&text);
        for part in parts(snapshot, list) {
            match part {
                Part::Shared(chunk, None) => joiner.piece(&self.full(&chunk, Sharing::Shared)),
                Part::Live(chunk, None) => joiner.piece(&self.full(&chunk, Sharing::Own)),
                Part::Shared(chunk, Some(floor)) => {
                    self.recent(&chunk, floor, Sharing::Shared)
                        .live
                        .iter()
                        .for_each(|piece| joiner.piece(piece));
                }
                Part::Live(chunk, Some(floor)) => {
                    self.recent(&chunk, floor, Sharing::Own)
                        .live
                        .iter()
                        .for_each(|piece| joiner.piece(piece));
                }
                Part::Dead(chunk, floor) => {
                    self.recent(&chunk, floor, Sharing::Own)
                        .dead
                        .iter()
                        .for_each(|piece| joiner.piece(piece));
                }
                Part::Open(_) | Part::Close | Part::Separator => joiner.text(&part.plain(self)),
            }
        }
        text.clear();
        self.tail(&mut text, number, &hash);
        joiner.text(&text);
        joiner.finish()
    }
}

/// The counter that a list shows: clients only look whether it is -1 (`eureka.md` 3.6).
trait Numbered {
    fn number(&self, list: List) -> i64;
}

impl Numbered for Snapshot<Texts> {
    fn number(&self, list: List) -> i64 {
        match list {
            List::Full => 1,
            List::Delta => self.version as i64,
        }
    }
}
