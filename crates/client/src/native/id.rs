//! Ids that nobody else chooses.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// 128 bits in hex. The standard library's hash keys are the operating system's randomness, new for every thread; they save a
/// dependency.
pub(super) fn fresh() -> String {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let half = |salt: u64| RandomState::new().hash_one((count, salt, std::process::id()));
    format!("{:016x}{:016x}", half(0), half(1))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn ids_differ() {
        let thread = || (0..1_000).map(|_| super::fresh()).collect::<Vec<_>>();
        let (one, two) = (std::thread::spawn(thread), std::thread::spawn(thread));
        let all: HashSet<String> = one.join().unwrap().into_iter().chain(two.join().unwrap()).collect();
        assert_eq!(all.len(), 2_000);
        assert!(all.iter().all(|id| id.len() == 32));
    }
}
