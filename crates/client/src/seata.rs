//! Seata's protocol, as a client of Synod or of a Seata server speaks it.
