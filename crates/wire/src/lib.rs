//! Pure codecs of the protocols Synod speaks: bytes in, values out, and back.
//!
//! Nothing here does I/O, reads a clock or knows a rule of the registry. The types mirror what stands on
//! the wire, not what a server makes of it; each face maps them to and from the core's types.

pub mod dns;
pub mod dtm;
pub mod eureka;
pub mod native;
pub mod peer;
pub mod seata;
