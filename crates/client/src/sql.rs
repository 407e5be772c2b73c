//! Participants over SQL databases: barrier, XA, outbox.
