//! Pure codecs of the protocols Synod speaks: bytes in, values out, and back.
//!
//! Nothing here does I/O, reads a clock or knows a rule of the registry. The types mirror what stands on
//! the wire, not what a server makes of it; each face maps them to and from the core's types. Each protocol is a feature.

#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "dtm")]
pub mod dtm;
#[cfg(feature = "eureka")]
pub mod eureka;
#[cfg(feature = "native")]
pub mod native;
#[cfg(feature = "peer")]
pub mod peer;
#[cfg(feature = "seata")]
pub mod seata;
