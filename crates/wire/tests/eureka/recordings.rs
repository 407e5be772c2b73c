//! The recordings. `*.json` and `*.xml` are whole answers of the original server; `*.txt` are several bodies.

pub(crate) const INSTANCE_JSON: &str = include_str!("../../testdata/eureka/instance.json");
pub(crate) const INSTANCE_XML: &str = include_str!("../../testdata/eureka/instance.xml");
pub(crate) const APPLICATION_JSON: &str = include_str!("../../testdata/eureka/application.json");
pub(crate) const APPLICATION_XML: &str = include_str!("../../testdata/eureka/application.xml");
pub(crate) const APPLICATION_COMPACT_JSON: &str =
    include_str!("../../testdata/eureka/application_compact.json");
pub(crate) const LIST_JSON: &str = include_str!("../../testdata/eureka/list.json");
pub(crate) const LIST_XML: &str = include_str!("../../testdata/eureka/list.xml");
pub(crate) const LIST_VIP_XML: &str = include_str!("../../testdata/eureka/list_vip.xml");
pub(crate) const LIST_EMPTY_JSON: &str = include_str!("../../testdata/eureka/list_empty.json");
pub(crate) const LIST_COMPACT_JSON: &str = include_str!("../../testdata/eureka/list_compact.json");
pub(crate) const LIST_COMPACT_XML: &str = include_str!("../../testdata/eureka/list_compact.xml");
pub(crate) const DELTA_JSON: &str = include_str!("../../testdata/eureka/delta.json");
pub(crate) const STATUS_JSON: &str = include_str!("../../testdata/eureka/status.json");
pub(crate) const STATUS_XML: &str = include_str!("../../testdata/eureka/status.xml");
/// A list as clients before 2015 write it: single objects for lists of one, numbers for strings.
pub(crate) const LIST_XSTREAM_JSON: &str = include_str!("../../testdata/eureka/list_xstream.json");
/// A list as newer Java codecs write it: counters at the end, numeric timestamps.
pub(crate) const LIST_JACKSON_JSON: &str = include_str!("../../testdata/eureka/list_jackson.json");
/// Batches a Java server sent to its peer, one a line.
pub(crate) const BATCHES: &str = include_str!("../../testdata/eureka/batches.txt");
/// Registrations of many clients, each under a title.
const REGISTRATIONS: &str = include_str!("../../testdata/eureka/registrations.txt");
/// Odd registrations with the status code they got, each under a title.
const VARIANTS: &str = include_str!("../../testdata/eureka/register_variants.txt");

/// The registrations: who sent it, and the body.
pub(crate) fn registrations() -> impl Iterator<Item = (&'static str, &'static str)> {
    REGISTRATIONS.split("### ").skip(1).map(|block| {
        let (title, body) = block.split_once('\n').expect("a title");
        (title, body.trim_end())
    })
}

/// The variants: title, status code of the original server, body.
pub(crate) fn variants() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    VARIANTS.split("### ").skip(1).map(|block| {
        let (title, rest) = block.split_once('\n').expect("a title");
        let (code, body) = rest.split_once('\n').expect("a status code");
        (title, code, body.trim_end())
    })
}
