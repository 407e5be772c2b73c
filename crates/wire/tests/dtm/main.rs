//! Tests of the dtm codec through its public face, most of them against what the original and its clients were heard to
//! say: `testdata/dtm`.

mod golden;
mod properties;
