//! Calls to services by name, and serving them: layers that carry the context along.
