//! Tests of the Seata codec through its public face, most of them against what the original's encoders printed:
//! `testdata/seata`.

mod compressed;
mod golden;
mod protobuf;
mod quirks;
