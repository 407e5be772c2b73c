//! Version 0 of the frames, of clients before 0.8: 14 bytes of head, in which the message's type code stands, and no length.
//! Where a body ends must be told from its fields.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Frame, Header, Kind, MAGIC};
use crate::seata::error::{EncodeError, FrameError};

const HEAD_BYTES: usize = 14;
const REQUEST: u16 = 0x80;
const ASYNC: u16 = 0x40;
const HEARTBEAT: u16 = 0x20;
const SEATA_CODEC: u16 = 0x10;

/// A field, as far as its length goes.
#[derive(Clone, Copy)]
enum Field {
    /// So many bytes.
    Fixed(usize),
    /// A text behind 16 bits of length.
    Short,
    /// A text behind 32 bits of length; a list too.
    Long,
    /// A result code, and a text if it is 0.
    Result,
}

/// The fields of a message behind its type code. Those of merged messages count their own length.
const fn fields(code: i16) -> Option<&'static [Field]> {
    use Field::{Fixed, Long, Result, Short};
    Some(match code {
        1 => &[Fixed(4), Short],
        2 => &[Result, Fixed(1), Short, Short],
        3 | 5 => &[Short, Fixed(9), Short, Long],
        4 | 6 => &[Result, Fixed(1), Short, Fixed(9)],
        7 | 9 | 15 => &[Short, Short],
        8 | 10 | 16 | 18 => &[Result, Fixed(2)],
        11 | 21 => &[Short, Fixed(1), Short, Long, Long],
        12 => &[Result, Fixed(9)],
        13 => &[Short, Fixed(9), Short, Long, Fixed(1)],
        14 => &[Result, Fixed(1)],
        17 => &[Short, Short, Fixed(1)],
        22 => &[Result, Fixed(3)],
        59 | 60 => &[Long],
        101 => &[Short, Short, Short, Short],
        102 | 104 => &[Fixed(1), Short],
        103 => &[Short, Short, Short, Short, Long],
        111 => &[Fixed(1), Short, Fixed(2)],
        _ => return None,
    })
}

/// How many bytes the message takes, and whether that is all; otherwise it will be more.
fn body_bytes(code: i16, rest: &[u8]) -> Result<(usize, bool), FrameError> {
    let mut bytes = 0;
    for field in fields(code).ok_or(FrameError::OldType(code))? {
        let here = rest.get(bytes..).unwrap_or_default();
        let Some(more) = field_bytes(*field, here)? else { return Ok((bytes, false)) };
        bytes += more;
    }
    Ok((bytes, true))
}

fn field_bytes(field: Field, mut here: &[u8]) -> Result<Option<usize>, FrameError> {
    Ok(match field {
        Field::Fixed(bytes) => Some(bytes),
        Field::Short => here.try_get_i16().ok().map(|length| 2 + usize::try_from(length).unwrap_or(0)),
        Field::Long => match here.try_get_i32() {
            Ok(length @ ..0) => return Err(FrameError::OldLength(length)),
            length => length.ok().map(|length| 4 + usize::try_from(length).unwrap_or(0)),
        },
        Field::Result => match here.try_get_u8() {
            Ok(0) => here.try_get_i16().ok().map(|length| 3 + usize::try_from(length).unwrap_or(0)),
            result => result.ok().map(|_| 1),
        },
    })
}

/// As [`Frame::decode`]. The body gets its type code in front, as it has in later versions.
pub(super) fn decode(input: &mut BytesMut, bytes_max: usize) -> Result<Option<Frame>, FrameError> {
    let Some(mut head) = input.get(2..HEAD_BYTES) else { return Ok(None) };
    let (flags, code, id) = (head.get_u16(), head.get_i16(), head.get_i64());
    let id = i32::try_from(id).map_err(|_| FrameError::OldId(id))?;
    let kind = match () {
        // A pong looks the same; whoever has sent pings knows.
        () if flags & HEARTBEAT != 0 => Kind::Ping,
        () if flags & REQUEST == 0 => Kind::Response,
        () if flags & ASYNC == 0 => Kind::Request,
        () => Kind::OneWay,
    };
    let header = Header { version: 0, kind, codec: 1, compressor: 0, id };
    if kind == Kind::Ping {
        input.advance(HEAD_BYTES);
        return Ok(Some(Frame { header, head_map: Bytes::new(), body: Bytes::new() }));
    }
    if flags & SEATA_CODEC == 0 {
        return Err(FrameError::OldCodec);
    }
    let (body_bytes, is_all) = body_bytes(code, &input[HEAD_BYTES..])?;
    let found = HEAD_BYTES + body_bytes;
    if found > bytes_max {
        return Err(FrameError::TooLong { found, max: bytes_max });
    }
    if !is_all || input.len() < found {
        return Ok(None);
    }
    let mut frame = input.split_to(found);
    // In front of the body, over what has been read of the head.
    frame[HEAD_BYTES - 2..HEAD_BYTES].copy_from_slice(&code.to_be_bytes());
    let body = frame.split_off(HEAD_BYTES - 2).freeze();
    Ok(Some(Frame { header, head_map: Bytes::new(), body }))
}

/// As [`Header::write`]: the type code in front of the body goes into the head.
pub(super) fn write(
    header: Header,
    output: &mut BytesMut,
    body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = output.len();
    let flags = match header.kind {
        Kind::Request => REQUEST,
        Kind::OneWay => REQUEST | ASYNC,
        Kind::Response => 0,
        Kind::Ping | Kind::Pong => HEARTBEAT,
    };
    output.put_slice(&MAGIC);
    output.put_u16(flags | SEATA_CODEC);
    output.put_bytes(0, HEAD_BYTES - 6);
    body(output)?;
    // What was written last is 2 bytes of room, then the type code: the id ends where the body begins.
    let code = output.get(start + HEAD_BYTES - 2..start + HEAD_BYTES).map(|code| [code[0], code[1]]);
    output.resize(output.len().max(start + HEAD_BYTES), 0);
    output[start + 4..start + 6].copy_from_slice(&code.unwrap_or_default());
    output[start + 6..start + HEAD_BYTES].copy_from_slice(&i64::from(header.id).to_be_bytes());
    Ok(())
}
