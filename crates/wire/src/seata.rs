//! Seata's protocol over TCP, as its clients in Java (0.7 to 2.x), Go and Python speak it with a coordinator: both directions,
//! since tests and load generators play the clients.
//!
//! Bytes become [`Frame`]s, frames become [`Message`]s ([`read`]), and back ([`write`]). A connection says with its first frame
//! which version of the protocol it speaks, and each frame how its body is written; answers follow it ([`Header::answer`]).
//! What a client can be told depends on its own version, which it says when it registers: that is what [`Client`] is for.
//!
//! *Reading is lenient* where old clients end early or new ones say more. *Writing is strict*: `testdata/seata` holds what the
//! original's encoders wrote. Texts share the bytes of their frame.

mod code;
pub mod compress;
mod error;
mod frame;
mod message;
pub mod protobuf;
pub mod seata_codec;
mod text;
mod type_code;
mod version;

use bytes::BytesMut;

pub use code::{BranchStatus, BranchType, ExceptionCode, GlobalStatus};
pub use error::{DecodeError, EncodeError, FrameError};
pub use frame::{FRAME_BYTES_MAX, Frame, Header, Kind, MAGIC};
pub use message::{
    Answer, BranchEnd, BranchEndAnswer, BranchRegister, BranchRegisterAnswer, BranchReport, Failure,
    GlobalBegin, GlobalBeginAnswer, GlobalEnd, GlobalEndAnswer, GlobalLockQueryAnswer, GlobalReport,
    MergedWarp, Message, Outcome, Register, RegisterAnswer, Request, UndoLogDelete,
};
pub use text::Text;
pub use version::{BadVersion, Client, ClientVersion, MergedAnswer};

/// Number of the protocol's own codec.
pub const CODEC_SEATA: u8 = 1;
/// Number of protobuf.
pub const CODEC_PROTOBUF: u8 = 2;

/// Reads the message of a frame that is neither ping nor pong, and which `client` wrote or is to read. A compressed body may
/// inflate to [`FRAME_BYTES_MAX`].
///
/// # Errors
/// The codec or the compressor is not spoken here, or the body is no message.
pub fn read(frame: &Frame, client: Client) -> Result<Message, DecodeError> {
    let body = compress::inflate(frame.header.compressor, &frame.body, FRAME_BYTES_MAX)?;
    match frame.header.codec {
        CODEC_SEATA => seata_codec::decode(body, frame.header.version, client),
        CODEC_PROTOBUF => protobuf::decode(body),
        code => Err(DecodeError::Codec { code, name: codec_name(code) }),
    }
}

/// Appends a frame with a message, which `client` wrote or is to read.
///
/// # Errors
/// A text or list is longer than can be said, or the codec or the compressor is not spoken here; nothing is appended then.
pub fn write(
    header: Header,
    message: &Message,
    client: Client,
    output: &mut BytesMut,
) -> Result<(), EncodeError> {
    let encode = |body: &mut BytesMut| match (header.version, header.codec) {
        (version, CODEC_SEATA) => seata_codec::encode(message, version, client, body),
        (1.., CODEC_PROTOBUF) => protobuf::encode(message, client, body),
        (_, code) => Err(EncodeError::Codec(code)),
    };
    header.write(output, |output| match (header.version, header.compressor) {
        (_, 0) => encode(output),
        (0, compressor) => Err(EncodeError::Compressor(compressor)),
        (_, compressor) => {
            let mut body = BytesMut::new();
            encode(&mut body)?;
            compress::deflate(compressor, &body, client, output)
        }
    })
}

/// Appends a ping or pong.
pub fn write_heartbeat(header: Header, output: &mut BytesMut) {
    let written = header.write(output, |_| Ok(()));
    written.expect("there is nothing in it that could be too long");
}

/// What the original calls a codec in its configuration (`SerializerType`).
const fn codec_name(code: u8) -> &'static str {
    match code {
        1 => "seata",
        2 => "protobuf",
        4 => "kryo",
        8 => "fst",
        22 => "hessian",
        40 => "grpc",
        50 => "jackson",
        86 => "fury",
        87 => "fory",
        100 => "fastjson2",
        _ => "unknown",
    }
}
