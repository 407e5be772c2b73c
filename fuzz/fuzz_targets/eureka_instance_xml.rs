//! An instance in XML: nothing panics, and what was read can be written in both formats; JSON gives it back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::eureka::{Form, Format, Limits, Place, decode_instance, write_instance};

fuzz_target!(|body: &[u8]| {
    let Ok(instance) = decode_instance(body, Format::Xml, &Limits::REQUEST) else { return };
    let mut xml = Vec::new();
    write_instance(&mut xml, &instance, Format::Xml, Form::Full, Place::InList);
    let first = decode_instance(&xml, Format::Xml, &Limits::REQUEST).expect("our own output");
    // What XML cannot hold is gone after the first time; the second must change nothing.
    let mut again = Vec::new();
    write_instance(&mut again, &first, Format::Xml, Form::Full, Place::InList);
    assert_eq!(xml, again);
    let mut json = Vec::new();
    write_instance(&mut json, &instance, Format::Json, Form::Full, Place::Alone);
    assert_eq!(decode_instance(&json, Format::Json, &Limits::REQUEST), Ok(instance));
});
