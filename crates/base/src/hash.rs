//! Hashes: a keyed one for maps whose keys clients choose, and a stable one for what leaves the process.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// Keyed SipHash for in-memory maps.
///
/// The key is given by whoever builds the map: a random one in the server, so that clients cannot aim at one bucket, a
/// fixed one in tests and in the simulator, so that a run can be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keyed(pub u64);

impl BuildHasher for Keyed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}

/// xxh3-64 with the default seed: the same on every platform and in every release, and so fit for what crosses the
/// network or a restart. Not resistant against an attacker who chooses the input.
pub fn stable64(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}

/// xxh3-128 with the default seed, for naming what is too long to keep. As little resistant as [`stable64`].
pub fn stable128(bytes: &[u8]) -> [u8; 16] {
    xxhash_rust::xxh3::xxh3_128(bytes).to_be_bytes()
}

/// Feeds fields into a stable 64-bit digest, each with its length, so that `("ab", "c")` and `("a", "bc")` differ.
#[derive(Clone)]
pub struct Digest(xxhash_rust::xxh3::Xxh3);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({:016x})", self.finish())
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(xxhash_rust::xxh3::Xxh3::new())
    }
}

impl Digest {
    /// Adds a text field.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
        self
    }

    /// Adds an optional text field; absent and empty differ.
    pub fn maybe(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.number(1).text(text),
            None => self.number(0),
        }
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// The digest of all fields so far.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}
