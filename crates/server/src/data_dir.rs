//! The data directory: used by one process at a time, and holding who this node is and where it listens.
//!
//! - `lock`: locked with `flock` while a process uses the directory; its content means nothing.
//! - `node-id`: 32 hexadecimal digits, made at the first start, the same for ever.
//! - `addresses.json`: `{"http": "127.0.0.1:8761", …}`, what is bound right now; removed at a start and at a clean stop.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Who a node is: 128 random bits, made once per data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u128);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// An open data directory; the lock goes with it.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    node_id: NodeId,
    /// Held for its lock only.
    _lock: File,
}

/// Why a data directory cannot be used; exit code 3.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process holds it.
    #[error("the data directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The file with the node's id holds something else.
    #[error("{} should hold 32 hexadecimal digits; restore it, or remove it to give this node a new identity", path.display())]
    BadNodeId {
        /// The file.
        path: PathBuf,
    },
}

/// Makes an error of the directory out of one of the system.
fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    move |source| DataDirError::Io { action, path: path.to_owned(), source }
}

impl DataDir {
    /// Makes the directory if it is missing, locks it, and reads or makes the node's id.
    ///
    /// # Errors
    /// When it cannot be read or written, or another process has it.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        fs::create_dir_all(path).map_err(io_error("make the data directory", path))?;
        let path = path.canonicalize().map_err(io_error("resolve the data directory", path))?;
        let lock = lock(&path)?;
        let node_id = node_id(&path)?;
        let data_dir = Self { path, node_id, _lock: lock };
        data_dir.remove_addresses()?;
        Ok(data_dir)
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The node's id.
    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    /// Writes `addresses.json`, at once or not at all.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write_addresses(
        &self,
        addresses: &BTreeMap<&'static str, SocketAddr>,
    ) -> Result<(), DataDirError> {
        let mut text = serde_json::to_vec_pretty(addresses).expect("a map of texts is JSON");
        text.push(b'\n');
        let path = self.path.join("addresses.json");
        write_whole(&path, &text).map_err(io_error("write", &path))
    }

    /// Removes `addresses.json`: nothing is bound any more, or not yet.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove_addresses(&self) -> Result<(), DataDirError> {
        let path = self.path.join("addresses.json");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path)(error)),
            _ => Ok(()),
        }
    }
}

/// Locks the directory for this process.
fn lock(dir: &Path) -> Result<File, DataDirError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

/// Reads the node's id, or makes one at the first start.
fn node_id(dir: &Path) -> Result<NodeId, DataDirError> {
    let path = dir.join("node-id");
    match fs::read(&path) {
        Ok(text) => parse_node_id(&text).ok_or(DataDirError::BadNodeId { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut bytes = [0; 16];
            let random = Path::new("/dev/urandom");
            File::open(random)
                .and_then(|mut file| file.read_exact(&mut bytes))
                .map_err(io_error("read", random))?;
            let id = NodeId(u128::from_le_bytes(bytes));
            write_whole(&path, format!("{id}\n").as_bytes()).map_err(io_error("write", &path))?;
            Ok(id)
        }
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

fn parse_node_id(text: &[u8]) -> Option<NodeId> {
    let text = std::str::from_utf8(text).ok()?.trim_end();
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok().map(NodeId))?
}

/// Replaces a file whole: a reader, and a start after a power cut, sees the old content or the new one.
///
/// # Errors
/// Whatever the file system says; the old content is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_outlives_the_process_and_the_lock_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/data");
        let first = DataDir::open(&path).unwrap();
        let id = first.node_id();
        assert!(matches!(DataDir::open(&path).unwrap_err(), DataDirError::InUse { .. }));
        drop(first);
        assert_eq!(DataDir::open(&path).unwrap().node_id(), id);

        let other = DataDir::open(&dir.path().join("other")).unwrap();
        assert_ne!(other.node_id(), id);
        assert_eq!(id.to_string().len(), 32);
    }

    #[test]
    fn addresses_are_those_of_this_start() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("addresses.json");
        let data = DataDir::open(dir.path()).unwrap();
        data.write_addresses(&BTreeMap::from([("http", "127.0.0.1:8761".parse().unwrap())])).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(read, serde_json::json!({"http": "127.0.0.1:8761"}));
        drop(data);
        let data = DataDir::open(dir.path()).unwrap();
        assert!(!file.exists());
        data.remove_addresses().unwrap();
        assert!(!dir.path().join("addresses.json.tmp").exists());
    }

    #[test]
    fn what_cannot_be_used_says_what_and_why() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataDir::open(&file).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot make the data directory {}", file.display()));

        fs::write(dir.path().join("node-id"), "not an id").unwrap();
        assert!(matches!(DataDir::open(dir.path()).unwrap_err(), DataDirError::BadNodeId { .. }));
    }
}
