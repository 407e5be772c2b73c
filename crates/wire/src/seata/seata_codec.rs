//! The protocol's own codec, number 1, which every client has and nearly all use: a type code, then the fields one after the
//! other (`serializer-seata`, package `serializer.seata.protocol`, a class for each message).
//!
//! Integers are big-endian. A text stands behind its length in 16 bits, or in 32 where it may be long: row locks, a branch's
//! data, names of resources.

mod fields;
mod read;
mod write;

pub use read::decode;
pub use write::encode;

/// Stands for a state that a client left out.
const NO_STATUS: u8 = 0xff;
