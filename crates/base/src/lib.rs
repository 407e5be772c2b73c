//! What several rooms share and nobody owns: moments, hashes, seeded randomness, ids.
//!
//! Tiny on purpose: everything may depend on this crate, so this crate depends on next to nothing.

pub mod hash;
pub mod rng;
pub mod time;
pub mod xid;
