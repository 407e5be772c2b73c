//! What a connection brings: nothing panics, what is no frame is refused or waited for, however it comes in pieces; and a
//! message that was read survives being written and read again, unless it cannot be written.
//!
//! The first byte says in pieces of what size.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use synod_wire::seata::{Client, ClientVersion, Frame, FrameError, Kind, Message, read, write};

const BYTES_MAX: usize = 1 << 16;

/// Frames up to the first error, and what is left.
fn frames(bytes: &[u8], piece: usize) -> (Vec<Frame>, Option<FrameError>) {
    let (mut input, mut found) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match Frame::decode(&mut input, BYTES_MAX) {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

/// Empty reasons of failures are all that is lost.
fn check(frame: &Frame, client: Client, message: Message) {
    let mut written = BytesMut::new();
    let header = synod_wire::seata::Header { compressor: 0, ..frame.header };
    if write(header, &message, client, &mut written).is_err() {
        assert!(written.is_empty());
        return;
    }
    let again = Frame::decode(&mut written, usize::MAX).expect("a frame").expect("all of it");
    let once = read(&again, client).expect("a message");
    let mut twice = BytesMut::new();
    write(header, &once, client, &mut twice).expect("shorter than before");
    let again = Frame::decode(&mut twice, usize::MAX).expect("a frame").expect("all of it");
    assert_eq!(read(&again, client), Ok(once));
}

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let whole = frames(bytes, bytes.len().max(1));
    let pieces = frames(bytes, usize::from(*piece).max(1));
    assert_eq!(whole.0, pieces.0);
    let clients = [ClientVersion::default(), ClientVersion::V1_5_0, ClientVersion::V2_4_0];
    for frame in whole.0 {
        if matches!(frame.header.kind, Kind::Ping | Kind::Pong) {
            continue;
        }
        for (version, is_go) in clients.into_iter().zip([false, true, false]) {
            let client = Client { version, is_go };
            if let Ok(message) = read(&frame, client) {
                check(&frame, client, message);
            }
        }
    }
});
