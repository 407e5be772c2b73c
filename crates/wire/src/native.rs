//! The messages of the native API over gRPC, and those by which probes ask for the health of a gRPC server. What they mean is
//! said where they are written down: `proto/synod/v1/transactions.proto` and `proto/health.proto` of this crate.

#[allow(missing_docs, clippy::doc_markdown, reason = "generated from proto/health.proto")]
#[rustfmt::skip]
pub mod health;
#[allow(missing_docs, reason = "generated from proto/synod/v1/transactions.proto")]
#[rustfmt::skip]
pub mod v1;
