//! Transactions over Synod's native API.
