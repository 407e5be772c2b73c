//! A small HTTP client: pooled connections, answers of limited size, one server of several.
