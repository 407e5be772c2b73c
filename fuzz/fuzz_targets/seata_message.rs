//! Bodies in both codecs: nothing panics, and what was read survives being written and read again, to the letter where the codec
//! can say all of it.
//!
//! The first byte chooses the codec and the version of the protocol.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use synod_wire::seata::{Client, ClientVersion, Message, protobuf, seata_codec};

const CLIENT: Client = Client { version: ClientVersion::V2_4_0, is_go: false };

fn seata(body: Bytes, version: u8) {
    let Ok(message) = seata_codec::decode(body, version, CLIENT) else { return };
    let mut written = BytesMut::new();
    // Only the text of a protobuf message could be too long for it.
    seata_codec::encode(&message, version, CLIENT, &mut written).expect("no longer than it came");
    assert_eq!(seata_codec::decode(written.freeze(), version, CLIENT), Ok(message));
}

fn proto(body: Bytes) {
    let Ok(message) = protobuf::decode(body) else { return };
    let again = rewritten(&message);
    // States and failures that the codec cannot say are told as others the first time.
    assert_eq!(rewritten(&again), again);
}

fn rewritten(message: &Message) -> Message {
    let mut written = BytesMut::new();
    protobuf::encode(message, CLIENT, &mut written).expect("it came in this form");
    protobuf::decode(written.freeze()).expect("a message")
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, body)) = bytes.split_first() else { return };
    let body = Bytes::copy_from_slice(body);
    match choice % 3 {
        0 => proto(body),
        version => seata(body, version),
    }
});
