//! An instance in JSON: nothing panics, and what was read survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::eureka::{Form, Format, Limits, Place, decode_instance, write_instance};

fuzz_target!(|body: &[u8]| {
    let Ok(instance) = decode_instance(body, Format::Json, &Limits::REQUEST) else { return };
    let mut json = Vec::new();
    write_instance(&mut json, &instance, Format::Json, Form::Full, Place::Alone);
    assert_eq!(decode_instance(&json, Format::Json, &Limits::REQUEST), Ok(instance.clone()));
    // XML cannot hold everything that JSON can, but it must come out well-formed.
    let mut xml = Vec::new();
    write_instance(&mut xml, &instance, Format::Xml, Form::Full, Place::Alone);
    assert!(decode_instance(&xml, Format::Xml, &Limits::REQUEST).is_ok());
});
