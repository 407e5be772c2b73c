//! A directory of the file system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::recorder::Recorder;
use super::{Disk, DiskFile, Guard};

/// A directory of the file system, locked with `flock` on the file `lock`.
#[derive(Debug)]
pub struct RealDisk {
    dir: PathBuf,
    recorder: Option<Arc<Recorder>>,
    read_only: bool,
}

/// For tests with real power cuts: what a disk writes down beside its work, for [`power_cut`](super::power_cut).
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The journal, on the same file system and outside of the directory. A folder with `.kept` added to its name lies
    /// beside it.
    pub journal: PathBuf,
    /// Leaves out every `fdatasync`, as a faulty program would: the test must notice.
    pub skip_sync: bool,
    /// How much longer it takes to make names durable, so that a test has the time to cut the power before that.
    pub slow_names: Duration,
}

impl RealDisk {
    /// A directory, which is made if it is missing.
    ///
    /// # Errors
    /// When it can be neither found nor made.
    pub fn new(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self { dir: dir.to_owned(), recorder: None, read_only: false })
    }

    /// A directory of which nothing is changed, not even its lock: whatever would is refused.
    pub fn read_only(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), recorder: None, read_only: true }
    }

    /// The same, with a journal of everything that is not known to be durable. Slow.
    ///
    /// # Errors
    /// When the directory or the journal can be neither found nor made.
    pub fn recording(dir: &Path, recording: &Recording) -> io::Result<Self> {
        let disk = Self::new(dir)?;
        let recorder = Recorder::new(dir, recording)?;
        Ok(Self { recorder: Some(Arc::new(recorder)), ..disk })
    }

    fn may_change(&self) -> io::Result<()> {
        if self.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn file(&self, name: &str, file: File) -> Arc<dyn DiskFile> {
        let recorded = self.recorder.as_ref().map(|recorder| (Arc::clone(recorder), recorder.file(name)));
        Arc::new(RealFile { file, recorded })
    }
}

impl Disk for RealDisk {
    fn lock(&self) -> io::Result<Box<dyn Guard>> {
        self.may_change()?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(Locked { _file: file })),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        fs::read_dir(&self.dir)?.map(name).collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.may_change()?;
        let path = self.dir.join(name);
        if let Some(recorder) = &self.recorder {
            recorder.creating(name)?;
        }
        let file = OpenOptions::new().create_new(true).read(true).write(true).open(path)?;
        Ok(self.file(name, file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(!self.read_only).open(self.dir.join(name))?;
        Ok(self.file(name, file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.may_change()?;
        if let Some(recorder) = &self.recorder {
            recorder.renaming(from, to)?;
        }
        fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.may_change()?;
        if let Some(recorder) = &self.recorder {
            recorder.unlinking(name)?;
        }
        fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        let sync = || File::open(&self.dir)?.sync_all();
        match &self.recorder {
            Some(recorder) => recorder.syncing_dir(sync),
            None => sync(),
        }
    }

    fn place(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

/// Held for its lock only; a dying process loses it.
#[derive(Debug)]
struct Locked {
    _file: File,
}

impl Guard for Locked {}

#[derive(Debug)]
struct RealFile {
    file: File,
    /// The journal and the file's number in it.
    recorded: Option<(Arc<Recorder>, u32)>,
}

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match &self.recorded {
            Some((recorder, number)) => recorder.writing(&self.file, *number, offset, bytes),
            None => self.file.write_all_at(bytes, offset),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match &self.recorded {
            Some((recorder, number)) => recorder.syncing(*number, || self.file.sync_data()),
            None => self.file.sync_data(),
        }
    }
}
