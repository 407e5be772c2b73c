//! Every message between Synod nodes: nothing panics, and what was read survives being written and read again.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use synod_wire::peer::{
    Answers, Changes, Compared, Exchanged, Fading, Hello, Holdings, Message, decode, encode,
};

fn survives<M: Message + PartialEq + Debug>(body: &[u8]) {
    let Ok(message) = decode::<M>(body) else { return };
    assert_eq!(decode::<M>(&encode(&message)).expect("our own output"), message);
}

fuzz_target!(|body: &[u8]| {
    survives::<Hello<'static>>(body);
    survives::<Changes<'static>>(body);
    survives::<Answers<'static>>(body);
    survives::<Fading<'static>>(body);
    survives::<Compared<'static>>(body);
    survives::<Holdings<'static>>(body);
    survives::<Exchanged<'static>>(body);
});
