//! The protocols that clients already speak, each in a room of its own; no face calls another.

pub mod console;
pub mod dtm;
pub mod eureka;
pub mod native;
pub mod peer;
pub mod seata;
pub mod seata_console;
