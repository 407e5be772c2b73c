//! A snapshot: nothing panics, a state that was read gives records that give it again, and it can be worked with.
//!
//! The input is records, each behind its length in two bytes.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use synod_core::txn::codec::snapshot::{Loader, records};
use synod_core::txn::{Command, Limits, News, State};

fn load(pieces: impl Iterator<Item = Bytes>) -> Option<State> {
    let mut loader = Loader::new(Limits::default());
    for piece in pieces {
        loader.take(&piece).ok()?;
    }
    loader.finish().ok()
}

fn pieces(mut rest: &[u8]) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (piece, behind) = behind.split_at(length);
        pieces.push(Bytes::copy_from_slice(piece));
        rest = behind;
    }
    pieces
}

fuzz_target!(|input: &[u8]| {
    let Some(mut state) = load(pieces(input).into_iter()) else { return };
    let written: Vec<Bytes> = records(&state).collect();
    let again = load(written.iter().cloned()).expect("our own records");
    assert!(records(&again).eq(written));
    // Whatever is in it can be touched.
    let mut news = News::default();
    let open: Vec<_> = state.iter().map(|txn| txn.xid).collect();
    state.begin_batch(state.stamp_ms().saturating_add(1));
    drop(state.apply(&Command::Forget { before_ms: u64::MAX }, &mut news));
    for xid in open {
        drop(state.apply(&Command::TimeOut { xid, unsure: false }, &mut news));
        drop(state.apply(&Command::Stop { xid, reason: "".into() }, &mut news));
    }
    assert_eq!(state.open_len(), 0);
});
