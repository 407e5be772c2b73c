//! The registry on disk, so that a lone restart is not an empty registry.
//!
//! The file `registry.snapshot` is one line of text, the list's own gzip body behind it, and then a JSON array of records
//! as peers tell them: those of which Eureka's list does not show everything (overrides and their stamps).
//!
//! ```text
//! synod-registry 2 <bytes of the list> <bytes of the array> <CRC-32 of both, 8 hex digits>\n
//! ```
//!
//! Version 1 had no such array (`synod-registry 1 <bytes> <CRC-32>`) and is still read. The file is written beside, flushed and renamed, so it is whole or not there. What does not check out is set aside whole.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use synod_core::registry::merge::News;
use synod_core::registry::{Instance, Record, Snapshot};
use synod_wire::eureka::{Form, Format, Lease, Limits, decode_applications};
use synod_wire::peer;

use super::peers::synod;
use super::{Registry, convert};
use crate::data_dir;
use crate::lists::{Texts, View};
use crate::net::gzip;

const NAME: &str = "registry.snapshot";
const MAGIC: &str = "synod-registry";
/// No registry within the limit on instances is larger than this when inflated.
const PLAIN_BYTES_MAX: usize = 8 << 30;

/// Why a snapshot was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum DamagedSnapshot {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// The first line is not ours.
    #[error("its first line is not that of a version 1 or 2 snapshot")]
    Header,
    /// What follows has another length than the first line says.
    #[error("behind its first line are {found} bytes instead of {expected}")]
    Length {
        /// As the first line says.
        expected: usize,
        /// As found.
        found: usize,
    },
    /// What follows is not what was written.
    #[error("its checksum is wrong")]
    Checksum,
    /// The list checks out but cannot be decoded.
    #[error("its list cannot be decoded: {0}")]
    List(String),
    /// The records check out but cannot be decoded.
    #[error("its records cannot be decoded: {0}")]
    Records(#[from] serde_json::Error),
}

/// What is behind the first line.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'f> {
    list: &'f [u8],
    records: &'f [u8],
}

/// Records by application and id.
type Known = HashMap<(Arc<str>, Arc<str>), News>;

/// Where a registry is kept.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    /// The version on disk.
    version: Option<u64>,
}

impl Disk {
    /// The snapshot within a data directory.
    pub fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(NAME), version: None }
    }

    /// Writes the registry if it changed since the last time.
    ///
    /// # Errors
    /// When the file cannot be written; the previous one is still there then.
    pub async fn save(&mut self, registry: &Registry) -> io::Result<()> {
        if self.version == Some(registry.core().version()) {
            return Ok(());
        }
        let view = View { format: Format::Json, form: Form::Full };
        let (snapshot, list) = registry.lists().gzip_with_snapshot(registry.core(), view).await;
        let path = self.path.clone();
        let written = snapshot.version;
        let write = move || data_dir::write_whole(&path, &file(&snapshot, &list));
        tokio::task::spawn_blocking(write).await.expect("writing returns its errors")?;
        self.version = Some(written);
        Ok(())
    }

    /// Restores what is on disk, provisionally; returns how many instances. A damaged file is reported and set aside.
    pub fn load(&self, registry: &Registry) -> usize {
        match self.read(registry) {
            Ok(count) => count,
            Err(DamagedSnapshot::Io(error)) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => {
                let aside = self.path.with_extension(format!("damaged-{}", registry.epoch()));
                let kept = std::fs::rename(&self.path, &aside);
                let (file, aside) = (self.path.display(), aside.display());
                tracing::error!(%file, %error, %aside, set_aside = kept.is_ok(), "the registry's snapshot is damaged; starting without it");
                0
            }
        }
    }

    fn read(&self, registry: &Registry) -> Result<usize, DamagedSnapshot> {
        let file = std::fs::read(&self.path)?;
        let parts = parts(&file)?;
        let mut known = known(parts.records)?;
        let plain = gzip::inflate(parts.list, PLAIN_BYTES_MAX)
            .map_err(|error| DamagedSnapshot::List(error.to_string()))?;
        let list = decode_applications(&plain, &Limits { items_max: usize::MAX, ..Limits::SYNC });
        let list = list.map_err(|error| DamagedSnapshot::List(error.to_string()))?;
        let now = registry.now();
        let mut news = Vec::new();
        for (application, instance) in
            list.applications.iter().flat_map(|one| one.instances.iter().map(move |i| (one, i)))
        {
            let app = application.name.as_deref().unwrap_or_default();
            match convert::instance(instance, app, 90, now) {
                Ok(restored) => {
                    let whole = known.remove(&(Arc::clone(&restored.app), restored.id.clone()));
                    let shown = || shown_news(restored, instance.lease.unwrap_or_default());
                    news.push(whole.unwrap_or_else(shown));
                }
                Err(invalid) => {
                    return Err(DamagedSnapshot::List(format!("an instance of {app}: {invalid}")));
                }
            }
        }
        Ok(news.into_iter().filter(|news| registry.core().restore(news.clone(), now)).count())
    }
}

/// A record of which the list shows everything.
fn shown_news(instance: Instance, lease: Lease) -> News {
    News {
        status: instance.status,
        overridden: instance.overridden,
        override_ms: 0,
        dirty_ms: instance.dirty_ms,
        registered_ms: lease.registration,
        up_ms: lease.service_up,
        stamp_ms: 0,
        age_ms: 0,
        instance: Arc::new(instance),
    }
}

/// A record of which the list does not show everything: a stamp, or what the client claimed while something else is shown.
/// Restored without, it would rank as another version than the same record at a peer.
fn hidden_news(record: &Record) -> Option<News> {
    let claimed = &record.instance;
    let shown = record.override_ms == 0
        && (record.status, record.overridden, record.dirty_ms)
            == (claimed.status, claimed.overridden, claimed.dirty_ms);
    (!shown).then(|| News {
        instance: Arc::clone(claimed),
        status: record.status,
        overridden: record.overridden,
        override_ms: record.override_ms,
        dirty_ms: record.dirty_ms,
        registered_ms: record.registered_ms,
        up_ms: record.up_ms,
        stamp_ms: 0,
        age_ms: 0,
    })
}

/// A whole snapshot file.
fn file(snapshot: &Snapshot<Texts>, list: &Bytes) -> Vec<u8> {
    let hidden: Vec<_> = snapshot.records().filter_map(|record| hidden_news(record)).collect();
    let records: Vec<_> = hidden.iter().map(synod::record_out).collect();
    let records = peer::encode(&records);
    let mut crc = crc32fast::Hasher::new();
    crc.update(list);
    crc.update(&records);
    let head = format!("{MAGIC} 2 {} {} {:08x}\n", list.len(), records.len(), crc.finalize());
    [head.as_bytes(), list, &records].concat()
}

/// The checked parts of a snapshot file.
fn parts(file: &[u8]) -> Result<Parts<'_>, DamagedSnapshot> {
    let line_end = file.iter().take(100).position(|byte| *byte == b'\n').ok_or(DamagedSnapshot::Header)?;
    let line = std::str::from_utf8(&file[..line_end]).map_err(|_| DamagedSnapshot::Header)?;
    let fields: Vec<&str> = line.split(' ').collect();
    let (list_bytes, records_bytes, crc) = match fields[..] {
        [MAGIC, "1", list, crc] => (list, "0", crc),
        [MAGIC, "2", list, records, crc] => (list, records, crc),
        _ => return Err(DamagedSnapshot::Header),
    };
    let length = |text: &str| text.parse::<usize>().map_err(|_| DamagedSnapshot::Header);
    let (list_bytes, records_bytes) = (length(list_bytes)?, length(records_bytes)?);
    let crc = u32::from_str_radix(crc, 16).map_err(|_| DamagedSnapshot::Header)?;
    let rest = &file[line_end + 1..];
    let expected = list_bytes.saturating_add(records_bytes);
    if rest.len() != expected {
        return Err(DamagedSnapshot::Length { expected, found: rest.len() });
    }
    if crc32fast::hash(rest) != crc {
        return Err(DamagedSnapshot::Checksum);
    }
    let (list, records) = rest.split_at(list_bytes);
    Ok(Parts { list, records })
}

/// The records; version 1 has none.
fn known(json: &[u8]) -> Result<Known, DamagedSnapshot> {
    if json.is_empty() {
        return Ok(Known::new());
    }
    let records: Vec<peer::Record<'static>> = serde_json::from_slice(json)?;
    let news = records.into_iter().map(synod::record_in);
    Ok(news.map(|news| ((Arc::clone(&news.instance.app), news.instance.id.clone()), news)).collect())
}

#[cfg(test)]
mod tests {
    use synod_core::registry::{Origin, Status};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::lists::OwnInstance;

    fn registry() -> Registry {
        Registry::new(&Config::default().registry, Clock::system(), OwnInstance::default(), 1)
    }

    async fn saved(dir: &Path) -> Registry {
        let registry = registry();
        for id in 0..100 {
            let mut instance = Instance::new("A", &format!("i{id}"));
            instance.overridden = if id % 7 == 0 { Status::OutOfService } else { Status::Unknown };
            instance.host = format!("host-{id}").into();
            instance.ip = "10.0.0.1".into();
            registry.register(instance, Origin::Client).unwrap();
        }
        registry.set_override("A", "i8", Status::Down, None, Origin::Client).unwrap();
        registry.set_metadata("A", "i9", &[("zone", Some("b"))]).unwrap();
        registry.clear_override("A", "i14", Some(Status::Up), None, Origin::Client).unwrap();
        Disk::new(dir).save(&registry).await.unwrap();
        registry
    }

    #[tokio::test]
    async fn what_was_saved_is_restored_provisionally() {
        let dir = tempfile::tempdir().unwrap();
        let before = saved(dir.path()).await;
        let after = registry();
        assert_eq!(Disk::new(dir.path()).load(&after), 100);
        assert_eq!(after.core().totals().hash(), before.core().totals().hash());
        assert_eq!(after.core().totals().provisional, 100);
        assert_eq!(after.core().totals().renewals_per_megasecond, 0);
        let found = after.core().find("A", "i7", after.now()).unwrap();
        assert_eq!((found.record.status, &*found.record.instance.host), (Status::OutOfService, "host-7"));
        after.renew("A", "i7", None, Origin::Client);
        assert_eq!(after.core().totals().provisional, 99);
    }

    /// Otherwise a peer would take what this node learnt last for something older than what it knows itself.
    #[tokio::test]
    async fn a_restored_record_ranks_as_before_among_peers() {
        let dir = tempfile::tempdir().unwrap();
        let before = saved(dir.path()).await;
        let after = registry();
        Disk::new(dir.path()).load(&after);
        let rank = |registry: &Registry, id: &str| {
            let record = registry.core().find("A", id, registry.now()).unwrap().record;
            (record.override_ms > 0, record.rank())
        };
        for (id, stamped) in [("i7", false), ("i8", true), ("i9", true), ("i14", true)] {
            assert_eq!(rank(&after, id), rank(&before, id), "{id}");
            assert_eq!(rank(&after, id).0, stamped, "{id}");
        }
    }

    #[tokio::test]
    async fn a_file_of_version_1_has_no_stamps_and_is_read() {
        let dir = tempfile::tempdir().unwrap();
        saved(dir.path()).await;
        let path = dir.path().join(NAME);
        let file = std::fs::read(&path).unwrap();
        let list = parts(&file).unwrap().list;
        let head = format!("synod-registry 1 {} {:08x}\n", list.len(), crc32fast::hash(list));
        data_dir::write_whole(&path, &[head.as_bytes(), list].concat()).unwrap();
        let after = registry();
        assert_eq!(Disk::new(dir.path()).load(&after), 100);
        let found = after.core().find("A", "i8", after.now()).unwrap();
        assert_eq!((found.record.status, found.record.override_ms), (Status::Down, 0));
    }

    #[tokio::test]
    async fn no_damage_is_loaded_by_halves() {
        let dir = tempfile::tempdir().unwrap();
        saved(dir.path()).await;
        let path = dir.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        let cut = whole[..whole.len() - 1].to_vec();
        let flips = (0..whole.len()).step_by(97).map(|at| {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            flipped
        });
        for damaged in flips.chain([cut, Vec::new(), b"\n".to_vec()]) {
            data_dir::write_whole(&path, &damaged).unwrap();
            let registry = registry();
            assert_eq!(Disk::new(dir.path()).load(&registry), 0);
            assert_eq!(registry.core().version(), 0);
            assert!(!path.exists(), "set aside");
        }
        assert_eq!(Disk::new(dir.path()).load(&registry()), 0, "no snapshot is no damage");
    }
}
