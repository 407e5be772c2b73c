//! The whole of it over a disk in memory, and openraft's own suite over our storage.

mod suite;
