//! An answer of a DNS server: nothing panics or runs for ever, and what is taken from it is bounded by its size.
//!
//! The first byte chooses the kind of record that was asked for; the rest is the server's message, and once more all of
//! a message that follows its identity and the question, so that the records are reached.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::dns::{Kind, Record, Response, question, response};

/// The smallest record: an empty name, kind, class, time to live, length.
const RECORD_BYTES_MIN: usize = 11;
/// Longest name taken, and half a label more.
const HOST_BYTES_MAX: usize = 1_024;

fn check(message: &[u8], asked: &[u8]) {
    let Ok(Response::Records(records)) = response(message, asked) else { return };
    assert!(records.len() <= message.len() / RECORD_BYTES_MIN);
    for record in records {
        match record {
            Record::Address(_) => {}
            // A byte that is no UTF-8 becomes a character of three.
            Record::Text(text) => assert!(text.len() <= message.len() * 3),
            Record::Service { host, .. } => assert!(host.len() <= HOST_BYTES_MAX),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, message)) = bytes.split_first() else { return };
    let kind = [Kind::A, Kind::Txt, Kind::Aaaa, Kind::Srv][usize::from(choice % 4)];
    let asked = question(0x0707, "_eureka._tcp.example.org", kind).expect("a good name");
    check(message, &asked);
    if let Some((head, records)) = message.split_first_chunk::<10>() {
        check(&[&asked[..2], head, &asked[12..], records].concat(), &asked);
    }
    if let Ok(name) = str::from_utf8(message)
        && let Ok(asked) = question(1, name, kind)
    {
        // Its echo without any record is an answer, and an empty one.
        let mut echo = asked.clone();
        echo[2] |= 0x80;
        assert_eq!(response(&echo, &asked), Ok(Response::Records(Vec::new())));
    }
});
