//! Versions of clients, and what depends on them.

use std::fmt;

/// Version of a client's library, as it says when it registers; compared as the original compares it: up to four numbers, and
/// what follows a hyphen does not count (`io.seata.core.protocol.Version`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ClientVersion(u64);

/// A version that cannot be compared. The original refuses the registration, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version: expected up to four numbers, as in 2.3.0 or 1.5.0-SNAPSHOT")]
pub struct BadVersion;

impl ClientVersion {
    /// Sends ids with merged requests; knows the statuses 16 and 17 and that a lock conflict can be final.
    pub const V1_5_0: Self = Self::new(1, 5, 0);
    /// Has three more exception codes.
    pub const V1_7_0: Self = Self::new(1, 7, 0);
    /// Moved some exception codes.
    pub const V2_0_0: Self = Self::new(2, 0, 0);
    /// Renamed the packages of its protobuf messages.
    pub const V2_1_0: Self = Self::new(2, 1, 0);
    /// Takes merged requests' answers one by one.
    pub const V2_3_0: Self = Self::new(2, 3, 0);
    /// Knows the statuses 18 to 20.
    pub const V2_4_0: Self = Self::new(2, 4, 0);

    /// Each number below 100.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(((major * 100 + minor) * 100 + patch) * 100)
    }

    /// Reads one.
    ///
    /// # Errors
    /// More than four parts, or one that is no number.
    pub fn parse(text: &str) -> Result<Self, BadVersion> {
        let numbers = text.split('-').next().unwrap_or_default();
        let mut weight = 1_000_000;
        let mut sum = 0_u64;
        for part in numbers.split('.') {
            if weight == 0 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(BadVersion);
            }
            let part: u32 = part.parse().map_err(|_| BadVersion)?;
            sum += u64::from(part) * weight;
            weight /= 100;
        }
        Ok(Self(sum))
    }

    /// In which form it wants the answers to requests that it sent merged into one frame, with or without their ids.
    ///
    /// Clients from 1.5.0 on take all three forms, but those before 2.3.0 note every merged frame and forget it only at a
    /// [`Batch`](MergedAnswer::Batch) or [`Whole`](MergedAnswer::Whole), and are confused by a whole answer after a batch.
    pub fn merged_answer(self, has_ids: bool) -> MergedAnswer {
        if !has_ids || self < Self::V1_5_0 {
            MergedAnswer::Whole
        } else if self < Self::V2_3_0 {
            MergedAnswer::Batch
        } else {
            MergedAnswer::Single
        }
    }
}

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(sum) = self;
        write!(f, "{}.{}.{}", sum / 1_000_000, sum / 10_000 % 100, sum / 100 % 100)
    }
}

/// How merged requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergedAnswer {
    /// All in one [`MergeResult`](super::Message::MergeResult), in the order of the requests, under the id of their frame.
    Whole,
    /// In as many [`BatchResult`](super::Message::BatchResult)s as one likes, each answer with its request's own id.
    Batch,
    /// Each in a frame of its own under its request's own id, as if it had come alone.
    Single,
}

/// What is known of the client at the other end, for saying only what it understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Client {
    /// Of its library. seata-go registers its two roles with two versions.
    pub version: ClientVersion,
    /// It is seata-go, which reads texts of some failures wrongly; they are left out for it. It can be told by its registering a
    /// TM with a one-way frame (its `pkg/remoting/getty/listener.go`).
    pub is_go: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ClientVersion {
        ClientVersion::parse(text).unwrap()
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(version("1.5.0"), ClientVersion::V1_5_0);
        assert_eq!(version("2.3.0-SNAPSHOT"), ClientVersion::V2_3_0);
        assert_eq!(version("2.4"), ClientVersion::V2_4_0);
        let rising =
            ["0", "0.7.1", "1.4.2", "1.4.2.1", "1.5.0", "1.10.0", "2", "2.0.0.1", "10.0.0"].map(version);
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
        assert_eq!(version("1.10.2-x").to_string(), "1.10.2");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "s26", "1.5.x", "1..2", "1.2.3.4.5", "-1", "+1", "1.99999999999", "1.5.0 "] {
            assert_eq!(ClientVersion::parse(text), Err(BadVersion), "{text}");
        }
    }

    #[test]
    fn merged_requests_have_three_answers() {
        for (text, expected) in [
            ("1.4.2", MergedAnswer::Whole),
            ("1.5.0", MergedAnswer::Batch),
            ("2.2.0", MergedAnswer::Batch),
            ("2.3.0", MergedAnswer::Single),
        ] {
            assert_eq!(version(text).merged_answer(true), expected, "{text}");
            assert_eq!(version(text).merged_answer(false), MergedAnswer::Whole, "{text}");
        }
    }
}
