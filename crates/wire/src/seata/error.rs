//! What is wrong with bytes, and what cannot be written.

/// Why bytes are no frame. The connection is beyond repair: where the next frame begins is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The first two bytes.
    #[error("not a frame of Seata's: expected the bytes da da")]
    Magic,
    /// The whole is too long.
    #[error("frame of {found} bytes, where at most {max} are taken")]
    TooLong {
        /// What its head says, or what has come of it.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Parts of a frame that do not fit into it.
    #[error("lengths that contradict each other: {head} bytes of head in a frame of {frame}")]
    Lengths {
        /// Of the head.
        head: u16,
        /// Of the whole.
        frame: i32,
    },
    /// None of the five kinds.
    #[error("message type {0}: expected 0 to 4")]
    Kind(u8),
    /// Version 0: a body that is not in Seata's own codec; it cannot be told where it ends.
    #[error("version 0 with Hessian: set the client's `transport.serialization` to `seata`")]
    OldCodec,
    /// Version 0: a message that was not there then; it cannot be told where it ends.
    #[error("version 0 with type code {0}: no such message")]
    OldType(i16),
    /// Version 0: a length in the body below zero where the whole would depend on it.
    #[error("version 0 with a list of {0} bytes")]
    OldLength(i32),
    /// Version 0: an id of more than 32 bits, which no client has.
    #[error("version 0 with id {0}: expected 32 bits")]
    OldId(i64),
}

/// Why the body of a frame is no message. The connection can go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A codec that is not spoken here.
    #[error("codec {code} ({name}) is not supported: set the client's `transport.serialization` to `seata`")]
    Codec {
        /// Its number.
        code: u8,
        /// Its name.
        name: &'static str,
    },
    /// A compressor that is not spoken here.
    #[error(
        "compressor {code} ({name}) is not supported: set the client's `transport.compressor` to `none` or `gzip`"
    )]
    Compressor {
        /// Its number.
        code: u8,
        /// Its name.
        name: &'static str,
    },
    /// What the compressor did not write.
    #[error("malformed {name}: {error}")]
    Compressed {
        /// Of the compressor.
        name: &'static str,
        /// What is wrong.
        error: String,
    },
    /// A body that is longer than taken when it is inflated.
    #[error("inflated to more than the {max} bytes that are taken")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// No such message.
    #[error("type code {0}: no such message")]
    Type(i16),
    /// No such message in protobuf.
    #[error("{0:?}: no such message")]
    Name(String),
    /// A message of protobuf where only others may be.
    #[error("{0:?} inside another message: not one that may be merged")]
    NestedName(String),
    /// What is no protobuf.
    #[error("malformed protobuf message: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// A message where only others may be.
    #[error("type code {0} inside another message: not one that may be merged")]
    Nested(i16),
    /// The body ends inside a field.
    #[error("{field}: the body ends before it does")]
    Short {
        /// Which.
        field: &'static str,
    },
    /// A text that is none.
    #[error("{field}: not UTF-8")]
    Utf8 {
        /// Which.
        field: &'static str,
    },
    /// A number that means nothing.
    #[error("{field}: {code} has no meaning")]
    Code {
        /// Which.
        field: &'static str,
        /// The number.
        code: i64,
    },
    /// A length or count that cannot be.
    #[error("{field}: its length cannot be {length}")]
    Length {
        /// Which.
        field: &'static str,
        /// What it says.
        length: i64,
    },
    /// More than the message is long.
    #[error("{bytes} bytes behind the end of {field}")]
    Behind {
        /// The last field.
        field: &'static str,
        /// How many.
        bytes: usize,
    },
}

/// Why a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A text, list or frame is longer than can be said.
    #[error("{field}: {found} is more than the {max} that the protocol can say")]
    TooLong {
        /// Which.
        field: &'static str,
        /// Its length.
        found: usize,
        /// The longest there can be.
        max: usize,
    },
    /// A codec that is not spoken here, or not in this version of the protocol.
    #[error("codec {0} is not supported")]
    Codec(u8),
    /// A compressor that is not spoken here, or not in this version of the protocol.
    #[error("compressor {0} is not supported")]
    Compressor(u8),
    /// A message that the codec cannot say.
    #[error("{message}: the codec has no form for it")]
    NoForm {
        /// Which.
        message: &'static str,
    },
}
