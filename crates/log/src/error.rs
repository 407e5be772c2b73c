//! What can go wrong, told apart by what the caller has to do about it.

use std::io;

use crate::record::Kind;

/// Why a log does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle in this one, has the directory.
    #[error("the log {dir} is in use by another process")]
    InUse {
        /// The directory.
        dir: String,
    },
    /// What lies in the directory is not what was written. Nothing was changed.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// There is no room for the first segment of a new log.
    #[error("no room on the disk for the first segment of {dir}")]
    Full {
        /// The directory.
        dir: String,
    },
    /// The system refused something.
    #[error(transparent)]
    Failed(#[from] Fatal),
    /// A setting cannot be used.
    #[error("{0}")]
    Settings(&'static str),
}

/// A place at which the log is not as it was written, and is not what a power cut leaves behind either.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} is damaged at offset {offset}, sequence {sequence}: {fault}")]
pub struct Damage {
    /// The file, as the disk names it.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// The sequence of the batch that should be there; 0 where that is not known.
    pub sequence: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong at a damaged place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file should exist.
    #[error("it is missing")]
    Missing,
    /// A file that nobody names.
    #[error("nothing says that it should exist; the manifest ends with segment {last}")]
    Unnamed {
        /// The last segment that the manifest names.
        last: u32,
    },
    /// The file has lost bytes.
    #[error("it has {size} bytes, {want} are due")]
    Short {
        /// Its size.
        size: u64,
        /// The size it was made with.
        want: u64,
    },
    /// The file has more bytes than it was made with, and later files follow it.
    #[error("it has {size} bytes, only {want} are due")]
    Long {
        /// Its size.
        size: u64,
        /// The size it was made with.
        want: u64,
    },
    /// The first page of a segment, or a page of the manifest, is not as written.
    #[error("its head is not what was written")]
    Head,
    /// The file belongs to another log.
    #[error("it belongs to log {found:016x}, this is {want:016x}")]
    OtherLog {
        /// Whose it is.
        found: u64,
        /// Who asked.
        want: u64,
    },
    /// All sectors of the batch were written, and yet its checksum is wrong.
    #[error("all sectors of the last batch were written, but its content is wrong")]
    Content,
    /// A later batch is there, so this one was once acknowledged.
    #[error(
        "what is there cannot be read, but a later batch can: {file}, offset {offset}, sequence {sequence}"
    )]
    Later {
        /// File of the later batch.
        file: String,
        /// Where in it.
        offset: u64,
        /// Its sequence.
        sequence: u64,
    },
    /// It is known that later batches were acknowledged.
    #[error("the log ends here, but batches up to sequence {acknowledged} were acknowledged")]
    Acknowledged {
        /// The last sequence known to be acknowledged.
        acknowledged: u64,
    },
    /// A whole batch of another time.
    #[error("there is a batch with sequence {found} instead")]
    Stale {
        /// Its sequence.
        found: u64,
    },
    /// Behind the last batch of a segment that others follow is something else than zeros.
    #[error("something lies behind the last batch of a full segment")]
    Tail,
    /// A segment does not begin with the state that the ones before it lead to.
    #[error("the segment does not begin with the state of the log at its start")]
    Start,
    /// A record that does not fit what was before it: a fault of the program that wrote it.
    #[error("{kind:?} {index} does not follow from what was before")]
    Order {
        /// What it is.
        kind: Kind,
        /// Its index.
        index: u64,
    },
    /// Entries that are needed are nowhere.
    #[error("entries {from} to {to} are in no segment")]
    Gap {
        /// First one that is not there.
        from: u64,
        /// Last one that is not there.
        to: u64,
    },
    /// A block of a snapshot is not as written.
    #[error("the block there is not what was written")]
    Block,
    /// A snapshot ends too early.
    #[error("it ends too early")]
    End,
}

/// An operation of the system failed in a way after which the state of the disk is not known: the process has to end,
/// and to start again, which reads what is really there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot {action} {file}")]
pub struct Fatal {
    /// What was tried.
    pub action: &'static str,
    /// On which file.
    pub file: String,
    /// Why it failed.
    #[source]
    pub source: std::sync::Arc<io::Error>,
}

impl Fatal {
    /// For `map_err`.
    pub(crate) fn of(action: &'static str, file: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, file: file.into(), source: std::sync::Arc::new(source) }
    }
}

/// Why a batch is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It cannot be in this log; nothing was written, and others can be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no room on the disk; nothing was written, and the same batch can be tried again.
    #[error("no room on the disk for another segment")]
    Full,
    /// Whether it is in the log is not known. The process has to end.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A payload is too large.
    #[error("a payload of {bytes} bytes: at most {bytes_max} are allowed")]
    PayloadTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The batch does not fit in a segment.
    #[error("a batch of {bytes} bytes: at most {bytes_max} fit in a segment")]
    BatchTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// There is no such slot.
    #[error("there is no slot {slot}")]
    NoSlot {
        /// Its number.
        slot: usize,
    },
    /// An index that leaves a hole, repeats an entry, or was purged.
    #[error("{kind:?} {index} cannot follow: the log holds {first}..{next}")]
    Order {
        /// The operation.
        kind: Kind,
        /// Its index.
        index: u64,
        /// First index held at that point of the batch.
        first: u64,
        /// Next index at that point of the batch.
        next: u64,
    },
}

/// Why entries cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// They were purged.
    #[error("entry {index} was purged, the log begins at {first}")]
    Purged {
        /// The one asked for.
        index: u64,
        /// The first that is there.
        first: u64,
    },
    /// They are not as they were written. The process should end.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The system refused. The process should end.
    #[error(transparent)]
    Failed(#[from] Fatal),
}
