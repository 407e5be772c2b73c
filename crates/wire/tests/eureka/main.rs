//! Tests of the Eureka codecs through their public face, most of them against recordings of real servers and
//! clients in `testdata/eureka`.

mod batch;
mod golden;
mod limits;
mod properties;
mod recordings;
mod variants;
mod writing;
