//! The registry on disk, so that a lone restart is not an empty registry.
//!
//! The file `registry.snapshot` is one line of text and the list's own gzip body behind it:
//!
//! ```text
//! synod-registry 1 <bytes of the body> <CRC-32 of the body, 8 hex digits>\n
//! ```
//!
//! It is written beside, flushed and renamed, so it is whole or not there. What does not check out is set aside whole.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use synod_core::registry::merge::News;
use synod_wire::eureka::{Form, Format, Limits, decode_applications};

use super::{Registry, convert};
use crate::data_dir;
use crate::lists::{List, View};
use crate::net::gzip;

const NAME: &str = "registry.snapshot";
const MAGIC: &str = "synod-registry 1";
/// No registry within the limit on instances is larger than this when inflated.
const PLAIN_BYTES_MAX: usize = 8 << 30;

/// Why a snapshot was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum DamagedSnapshot {
    /// It cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    /// The first line is not ours.
    #[error("its first line is not that of a version 1 snapshot")]
    Header,
    /// The body has another length than the first line says.
    #[error("its body has {found} bytes instead of {expected}")]
    Length {
        /// As the first line says.
        expected: usize,
        /// As found.
        found: usize,
    },
    /// The body is not what was written.
    #[error("its checksum is wrong")]
    Checksum,
    /// The body checks out but cannot be decoded.
    #[error("its body cannot be decoded: {0}")]
    Body(String),
}

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
        let version = registry.core().version();
        if self.version == Some(version) {
            return Ok(());
        }
        let view = View { format: Format::Json, form: Form::Full };
        let body = registry.lists().gzip(registry.core(), List::Full, view).await;
        let path = self.path.clone();
        let write = move || {
            let mut file = format!("{MAGIC} {} {:08x}\n", body.len(), crc32fast::hash(&body)).into_bytes();
            file.extend_from_slice(&body);
            data_dir::write_whole(&path, &file)
        };
        tokio::task::spawn_blocking(write).await.expect("writing returns its errors")?;
        self.version = Some(version);
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
        let plain = gzip::inflate(body(&file)?, PLAIN_BYTES_MAX)
            .map_err(|error| DamagedSnapshot::Body(error.to_string()))?;
        let list = decode_applications(&plain, &Limits { items_max: usize::MAX, ..Limits::SYNC });
        let list = list.map_err(|error| DamagedSnapshot::Body(error.to_string()))?;
        let now = registry.now();
        let mut news = Vec::new();
        for (application, instance) in
            list.applications.iter().flat_map(|one| one.instances.iter().map(move |i| (one, i)))
        {
            let app = application.name.as_deref().unwrap_or_default();
            match convert::instance(instance, app, 90, now) {
                Ok(restored) => news.push(restored_news(restored, instance.lease.unwrap_or_default())),
                Err(invalid) => {
                    return Err(DamagedSnapshot::Body(format!("an instance of {app}: {invalid}")));
                }
            }
        }
        Ok(news.into_iter().filter(|news| registry.core().restore(news.clone(), now)).count())
    }
}

fn restored_news(instance: synod_core::registry::Instance, lease: synod_wire::eureka::Lease) -> News {
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

/// The checked body of a snapshot file.
fn body(file: &[u8]) -> Result<&[u8], DamagedSnapshot> {
    let line_end = file.iter().take(100).position(|byte| *byte == b'\n').ok_or(DamagedSnapshot::Header)?;
    let line = std::str::from_utf8(&file[..line_end]).map_err(|_| DamagedSnapshot::Header)?;
    let fields = line.strip_prefix(MAGIC).and_then(|rest| rest.trim_start().split_once(' '));
    let (length, crc) = fields.ok_or(DamagedSnapshot::Header)?;
    let expected: usize = length.parse().map_err(|_| DamagedSnapshot::Header)?;
    let crc = u32::from_str_radix(crc, 16).map_err(|_| DamagedSnapshot::Header)?;
    let body = &file[line_end + 1..];
    if body.len() != expected {
        return Err(DamagedSnapshot::Length { expected, found: body.len() });
    }
    if crc32fast::hash(body) != crc {
        return Err(DamagedSnapshot::Checksum);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use synod_core::registry::{Instance, Origin, Status};

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
