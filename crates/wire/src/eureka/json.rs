//! JSON: a reader on serde_json's pull interface that borrows from the body, and a writer by hand.

pub(crate) mod object;
pub(crate) mod read;
pub(crate) mod scalar;
pub(crate) mod write;
