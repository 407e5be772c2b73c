//! Preformatted requests: the text is laid out once, and composing one request is a copy and a few digits, so that the
//! load generator costs less than the server that it shares the machine with.
//!
//! Every field has a fixed width, so lengths never change. Markers in the text:
//! `{id}` instance number (7 digits), `{app}` application number (6), `{ip}` an address made of the instance number,
//! `{dirty}` a timestamp in ms (13), `{next}` nothing: the fields behind it belong to the next instance.

const MARKERS: [(&str, Field, usize); 5] = [
    ("{id}", Field::Instance, 7),
    ("{app}", Field::Application, 6),
    ("{ip}", Field::Address, 15),
    ("{dirty}", Field::Dirty, 13),
    ("{next}", Field::Next, 0),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Instance,
    Application,
    Address,
    Dirty,
    Next,
}

/// What the fields of one instance are set to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    pub(crate) instance: u64,
    pub(crate) application: u64,
    pub(crate) dirty_ms: u64,
}

/// A text with fields of fixed width.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    text: Vec<u8>,
    fields: Vec<(usize, Field)>,
}

impl Template {
    /// A request with these header lines (each ended by CR LF) and, when there is one, a JSON body.
    pub(crate) fn request(method: &str, path: &str, headers: &str, body: Option<&str>) -> Self {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}");
        if let Some(body) = body {
            let length = Self::parse(body).text.len();
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ));
        } else {
            text.push_str("\r\n");
        }
        Self::parse(&text)
    }

    /// Replaces the markers of a text by fields.
    pub(crate) fn parse(mut rest: &str) -> Self {
        let mut template = Self { text: Vec::new(), fields: Vec::new() };
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            template.text.extend_from_slice(before.as_bytes());
            let marker = MARKERS.iter().find(|(marker, ..)| from.starts_with(marker));
            if let Some((marker, field, width)) = marker {
                template.fields.push((template.text.len(), *field));
                template.text.resize(template.text.len() + width, b'0');
                rest = &from[marker.len()..];
            } else {
                template.text.push(b'{');
                rest = &from[1..];
            }
        }
        template.text.extend_from_slice(rest.as_bytes());
        template
    }

    /// Appends the text to `out`; `values` is asked once for each instance, counted from 0.
    pub(crate) fn write(&self, out: &mut Vec<u8>, mut values: impl FnMut(u64) -> Values) {
        let begin = out.len();
        out.extend_from_slice(&self.text);
        let text = &mut out[begin..];
        let mut item = 0;
        let mut current = values(item);
        for (at, field) in &self.fields {
            match field {
                Field::Instance => put_digits(&mut text[*at..at + 7], current.instance),
                Field::Application => put_digits(&mut text[*at..at + 6], current.application),
                Field::Dirty => put_digits(&mut text[*at..at + 13], current.dirty_ms),
                Field::Address => put_address(&mut text[*at..at + 15], current.instance),
                Field::Next => {
                    item += 1;
                    current = values(item);
                }
            }
        }
    }
}

fn put_digits(field: &mut [u8], mut value: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// `1ab.1cd.1ef.1gh` for the eight digits `abcdefgh`: always four octets of three digits below 200.
fn put_address(field: &mut [u8], mut value: u64) {
    field.copy_from_slice(b"100.100.100.100");
    for octet in [12, 8, 4, 0] {
        put_digits(&mut field[octet + 1..octet + 3], value % 100);
        value /= 100;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(instance: u64) -> Values {
        Values { instance, application: instance / 100, dirty_ms: 1_750_000_000_000 + instance }
    }

    fn render(template: &Template, first: u64) -> String {
        let mut out = Vec::new();
        template.write(&mut out, |item| values(first + item));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_filled_and_braces_stay() {
        let template = Template::parse(r#"{"i":"{id}","a":"{app}","ip":"{ip}","d":{dirty}}"#);
        assert_eq!(
            render(&template, 1_234_567),
            r#"{"i":"1234567","a":"012345","ip":"101.123.145.167","d":1750001234567}"#
        );
    }

    #[test]
    fn items_belong_to_consecutive_instances() {
        assert_eq!(render(&Template::parse("{id},{next}{id},{next}{id}"), 41), "0000041,0000042,0000043");
    }

    #[test]
    fn the_length_of_the_body_is_that_after_filling() {
        let template = Template::request("POST", "/a/{app}", "X: y\r\n", Some(r#"{"i":"{id}"}"#));
        assert_eq!(
            render(&template, 7),
            "POST /a/000000 HTTP/1.1\r\nHost: localhost\r\nX: y\r\nContent-Type: application/json\r\n\
             Content-Length: 15\r\n\r\n{\"i\":\"0000007\"}"
        );
    }
}
