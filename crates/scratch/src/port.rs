//! Ports for programs that have to be told theirs.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// A port that nobody listens on and that was not given before, below those the system hands out by itself.
pub fn free_port() -> Option<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let chance = RandomState::new();
    (0..1000_u16).find_map(|attempt| {
        let port = 12_000 + (chance.hash_one(attempt) % 18_000) as u16;
        let is_free = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
        (is_free && given.insert(port)).then_some(port)
    })
}
