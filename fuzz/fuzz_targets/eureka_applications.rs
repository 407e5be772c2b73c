//! A list of applications: nothing panics, and the list put together from its parts gives the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use synod_wire::eureka::{
    Form, Format, Limits, Place, application_close, application_open, decode_applications, list_head,
    list_tail, separator, write_instance,
};

const JSON: Format = Format::Json;

fuzz_target!(|body: &[u8]| {
    let Ok(list) = decode_applications(body, &Limits::REQUEST) else { return };
    let mut out = Vec::new();
    let hash = list.hash.as_deref().unwrap_or_default();
    list_head(&mut out, JSON, Form::Full, 1, hash);
    for (i, application) in list.applications.iter().enumerate() {
        out.extend_from_slice(if i > 0 { separator(JSON) } else { b"" });
        application_open(&mut out, JSON, Form::Full, application.name.as_deref().unwrap_or_default());
        for (i, instance) in application.instances.iter().enumerate() {
            out.extend_from_slice(if i > 0 { separator(JSON) } else { b"" });
            write_instance(&mut out, instance, JSON, Form::Full, Place::InList);
        }
        application_close(&mut out, JSON, Form::Full);
    }
    list_tail(&mut out, JSON, Form::Full, 1, hash);
    let again = decode_applications(&out, &Limits::REQUEST).expect("our own output");
    assert_eq!(again.applications.len(), list.applications.len());
    for (again, first) in again.applications.iter().zip(&list.applications) {
        assert_eq!(again.instances, first.instances);
    }
});
