//! What a log can be told when it is opened.

use crate::record::SLOTS;
use crate::segment::DATA;

/// Smallest segment: its head, a start batch with full slots, and something to remember.
const SEGMENT_BYTES_MIN: u32 = 64 * 1024;
/// Largest segment; offsets are 32 bits wide.
const SEGMENT_BYTES_MAX: u32 = 1 << 30;

const _: () = assert!(SEGMENT_BYTES_MIN as usize > DATA as usize + SLOTS * 2048);

/// Who prepares new segments and deletes old ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Helper {
    /// A thread of the log's own.
    #[default]
    Thread,
    /// The caller, within its calls: for the simulator, where everything happens in one order.
    Inline,
}

/// Settings of a log.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose log this is, e.g. a hash of the node's id: segments of another log are refused.
    pub id: u64,
    /// Size of a segment: a multiple of 4 KiB, 64 KiB to 1 GiB. Segments made with another size stay as they are.
    pub segment_bytes: u32,
    /// Size of the very first segment; small, so that a new log is there at once.
    pub first_segment_bytes: u32,
    /// How many bytes of recent batches are kept in memory for readers.
    pub cache_bytes: usize,
    /// Who prepares segments.
    pub helper: Helper,
    /// How often the helper's thread tries again to prepare a segment when the disk was full.
    pub retry_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            id: 0,
            segment_bytes: 64 << 20,
            first_segment_bytes: 4 << 20,
            cache_bytes: 16 << 20,
            helper: Helper::Thread,
            retry_ms: 500,
        }
    }
}

impl Settings {
    /// A sentence when a setting cannot be used.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let fits = |bytes: u32| {
            (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(4096)
        };
        if fits(self.segment_bytes) && fits(self.first_segment_bytes) {
            None
        } else {
            Some("a segment has 64 KiB to 1 GiB, in multiples of 4 KiB")
        }
    }
}
