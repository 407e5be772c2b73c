//! Choosing one of several instances.
