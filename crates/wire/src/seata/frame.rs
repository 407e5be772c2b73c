//! Frames: where a message begins and ends, whose answer it is, and how its body is written (`org.apache.seata.core`, package
//! `rpc.netty.v1` for the layout, `rpc.netty.v0` for the old one).

mod old;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::{EncodeError, FrameError};

/// Every frame begins with these.
pub const MAGIC: [u8; 2] = [0xda, 0xda];
/// The longest frame that the original takes.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Of the head without its map, in versions 1 and up.
const HEAD_BYTES: usize = 16;
/// Of these, what has to be there to know the length of the frame and of its head.
const LENGTHS_BYTES: usize = 9;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wants an answer under its id.
    Request = 0,
    /// The answer.
    Response = 1,
    /// Wants none as a frame; what is in it may (merged requests, a registration).
    OneWay = 2,
    /// Wants a pong under its id, soon: clients give up after 15 s of silence.
    Ping = 3,
    /// The answer to a ping.
    Pong = 4,
}

impl Kind {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Request),
            1 => Some(Self::Response),
            2 => Some(Self::OneWay),
            3 => Some(Self::Ping),
            4 => Some(Self::Pong),
            _ => None,
        }
    }
}

/// All of a frame but its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Of the protocol. From 1 on the layout is the same; 0 has one of its own.
    pub version: u8,
    /// What it is for.
    pub kind: Kind,
    /// How the body is written; means nothing in pings and pongs.
    pub codec: u8,
    /// How the body is compressed: 0 for not at all.
    pub compressor: u8,
    /// The sender's counter; in an answer, the asker's.
    pub id: i32,
}

impl Header {
    /// A ping of version 1.
    pub const fn ping(id: i32) -> Self {
        Self { version: 1, kind: Kind::Ping, codec: 1, compressor: 0, id }
    }

    /// Of the answer to this one: codec, compressor and id are the same, and so is the version up to 1. (A client of version 2
    /// follows the version of the first answer.)
    #[must_use]
    pub fn answer(self) -> Self {
        let kind = if self.kind == Kind::Ping { Kind::Pong } else { Kind::Response };
        Self { version: self.version.min(1), kind, ..self }
    }

    /// Appends a frame with what `body` appends.
    ///
    /// # Errors
    /// `body` fails or writes more than can be said; nothing is appended then.
    pub fn write(
        self,
        output: &mut BytesMut,
        body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = output.len();
        let written = match self.version {
            0 => old::write(self, output, body),
            _ => self.write_current(output, body),
        };
        let found = output.len() - start;
        let written = written.and(match found {
            ..=FRAME_BYTES_MAX => Ok(()),
            _ => Err(EncodeError::TooLong { field: "frame", found, max: FRAME_BYTES_MAX }),
        });
        if written.is_err() {
            output.truncate(start);
        }
        written
    }

    fn write_current(
        self,
        output: &mut BytesMut,
        body: impl FnOnce(&mut BytesMut) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let start = output.len();
        output.put_slice(&MAGIC);
        output.put_u8(self.version);
        output.put_u32(0);
        output.put_u16(HEAD_BYTES as u16);
        output.put_slice(&[self.kind as u8, self.codec, self.compressor]);
        output.put_i32(self.id);
        body(output)?;
        let length = u32::try_from(output.len() - start).unwrap_or(u32::MAX);
        output[start + 3..start + 7].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// A frame that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// All but the body.
    pub header: Header,
    /// Pairs of texts that no client depends on, as they came.
    pub head_map: Bytes,
    /// The message, as the codec and the compressor left it. It shares the bytes that were read.
    pub body: Bytes,
}

impl Frame {
    /// Takes a frame from the front of `input`, if all of it is there. An unfinished one is left alone, and nothing is allocated
    /// for it.
    ///
    /// # Errors
    /// It is none, or longer than `bytes_max`.
    pub fn decode(input: &mut BytesMut, bytes_max: usize) -> Result<Option<Self>, FrameError> {
        if input.iter().zip(MAGIC).any(|(&found, expected)| found != expected) {
            return Err(FrameError::Magic);
        }
        match input.get(2) {
            None => Ok(None),
            Some(0) => old::decode(input, bytes_max),
            Some(_) => Self::decode_current(input, bytes_max),
        }
    }

    fn decode_current(input: &mut BytesMut, bytes_max: usize) -> Result<Option<Self>, FrameError> {
        let Some(mut lengths) = input.get(3..LENGTHS_BYTES) else { return Ok(None) };
        let (frame, head) = (lengths.get_i32(), lengths.get_u16());
        let bytes = usize::try_from(frame).unwrap_or(0);
        if usize::from(head) < HEAD_BYTES || bytes < head.into() {
            return Err(FrameError::Lengths { head, frame });
        }
        if bytes > bytes_max {
            return Err(FrameError::TooLong { found: bytes, max: bytes_max });
        }
        if input.len() < bytes {
            return Ok(None);
        }
        let mut rest = input.split_to(bytes).freeze();
        let head_map = rest.slice(HEAD_BYTES..head.into());
        let body = rest.slice(usize::from(head)..);
        rest.advance(2);
        let version = rest.get_u8();
        rest.advance(LENGTHS_BYTES - 3);
        let kind = rest.get_u8();
        let kind = Kind::from_code(kind).ok_or(FrameError::Kind(kind))?;
        let (codec, compressor, id) = (rest.get_u8(), rest.get_u8(), rest.get_i32());
        Ok(Some(Self { header: Header { version, kind, codec, compressor, id }, head_map, body }))
    }
}

#[cfg(test)]
mod tests;
