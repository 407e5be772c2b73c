//! Consistent hashing: which node a key belongs to, so that a node that comes or goes moves as few keys as possible.
