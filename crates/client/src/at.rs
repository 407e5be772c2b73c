//! Seata's AT mode: changes that are committed at once and undo themselves from an undo log.
