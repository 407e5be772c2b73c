//! Frames that are none, too long, old or new.

use super::*;

const BEGIN: &[u8] = b"\xda\xda\x01\0\0\0\x1a\0\x10\0\x01\0\0\0\0\x04\0\x01\0\0\xea\x60\0\x02tx";

fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    Frame::decode(&mut BytesMut::from(bytes), FRAME_BYTES_MAX)
}

fn with(at: usize, byte: u8) -> Vec<u8> {
    let mut bytes = BEGIN.to_vec();
    bytes[at] = byte;
    bytes
}

#[test]
fn what_is_no_frame_is_told_at_once() {
    assert_eq!(decode(b"G"), Err(FrameError::Magic));
    assert_eq!(decode(b"\xda\x00"), Err(FrameError::Magic));
    assert_eq!(decode(&with(9, 5)), Err(FrameError::Kind(5)));
    assert_eq!(decode(&with(8, 15)), Err(FrameError::Lengths { head: 15, frame: 26 }));
    assert_eq!(decode(&with(8, 27)), Err(FrameError::Lengths { head: 27, frame: 26 }));
    assert_eq!(decode(&with(3, 0xff)[..9]), Err(FrameError::Lengths { head: 16, frame: -16_777_190 }));
    let found = 0x80_001a;
    assert_eq!(decode(&with(4, 0x80)[..9]), Err(FrameError::TooLong { found, max: FRAME_BYTES_MAX }));
    let error = FrameError::TooLong { found: 26, max: 25 };
    assert_eq!(Frame::decode(&mut BytesMut::from(BEGIN), 25), Err(error));
    assert_eq!(error.to_string(), "frame of 26 bytes, where at most 25 are taken");
}

#[test]
fn an_unfinished_frame_costs_nothing() {
    let mut input = BytesMut::from(&with(4, 0x7f)[..]);
    let before = (input.as_ptr(), input.capacity());
    assert_eq!(Frame::decode(&mut input, FRAME_BYTES_MAX), Ok(None));
    assert_eq!((input.as_ptr(), input.capacity()), before);
}

#[test]
fn a_body_is_not_copied() {
    let mut input = BytesMut::from(BEGIN);
    let range = input.as_ptr_range();
    let frame = Frame::decode(&mut input, FRAME_BYTES_MAX).unwrap().unwrap();
    assert!(range.contains(&frame.body.as_ptr()));
    let old = b"\xda\xda\0\x90\0\x01\0\0\0\0\0\0\0\x04\0\0\xea\x60\0\x02tx";
    let mut input = BytesMut::from(&old[..]);
    let range = input.as_ptr_range();
    let read = Frame::decode(&mut input, FRAME_BYTES_MAX).unwrap().unwrap();
    assert!(range.contains(&read.body.as_ptr()));
    assert_eq!(read.body, frame.body);
}

#[test]
fn newer_versions_are_read_and_answered_in_version_1() {
    let frame = decode(&with(2, 9)).unwrap().unwrap();
    assert_eq!(frame.header.version, 9);
    let answer = Header { version: 1, kind: Kind::Response, codec: 1, compressor: 0, id: 4 };
    assert_eq!(frame.header.answer(), answer);
    assert_eq!(Header::ping(3).answer(), Header { kind: Kind::Pong, ..Header::ping(3) });
}

#[test]
fn what_is_too_long_is_not_written() {
    let mut output = BytesMut::from("before");
    for version in [0, 1] {
        let header = Header { version, ..Header::ping(1) };
        let written = header.write(&mut output, |body| {
            body.put_bytes(0, FRAME_BYTES_MAX);
            Ok(())
        });
        assert!(matches!(written, Err(EncodeError::TooLong { field: "frame", .. })), "{written:?}");
        assert_eq!(output, "before");
    }
}

#[test]
fn old_frames_that_cannot_be_told_apart_are_refused() {
    let frame = |flags: &[u8], code: u8, id: u8, body: &[u8]| {
        [b"\xda\xda", flags, &[0, code, 0, 0, 0, id, 0, 0, 0, 4], body].concat()
    };
    let seata = b"\0\x90";
    assert_eq!(decode(&frame(b"\0\x80", 1, 0, b"")), Err(FrameError::OldCodec));
    assert_eq!(decode(&frame(seata, 105, 0, b"")), Err(FrameError::OldType(105)));
    assert_eq!(decode(&frame(seata, 1, 1, b"")), Err(FrameError::OldId((1 << 32) + 4)));
    assert_eq!(decode(&frame(seata, 59, 0, b"\xff\xff\xff\xff")), Err(FrameError::OldLength(-1)));
    let long = frame(seata, 59, 0, b"\x7f\xff\xff\xff");
    let found = 14 + 4 + 0x7fff_ffff;
    assert_eq!(decode(&long), Err(FrameError::TooLong { found, max: FRAME_BYTES_MAX }));
    let one_way = decode(&frame(b"\0\xd0", 14, 0, b"\x01\0")).unwrap().unwrap();
    assert_eq!((one_way.header.kind, &one_way.body[..]), (Kind::OneWay, &b"\0\x0e\x01\0"[..]));
}
