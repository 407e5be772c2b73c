//! XML: a reader on quick-xml's events and a writer by hand.

mod name;
pub(crate) mod read;
mod tree;
pub(crate) mod write;
