//! Lists as they travel: in gzip, where the server has it.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Whether a body is packed, in whatever way.
pub(super) fn is_packed(headers: &HeaderMap) -> bool {
    encoding(headers).is_some()
}

/// The body as it was before it was packed. No more than `bytes_max` bytes are ever made of it: a few kilobytes can say gigabytes.
///
/// # Errors
/// It is longer, broken or cut, or packed in a way that was not asked for: why.
pub(super) fn unpacked(headers: &HeaderMap, body: Bytes, bytes_max: usize) -> Result<Bytes, String> {
    match encoding(headers) {
        None => Ok(body),
        Some(gzip) if gzip.eq_ignore_ascii_case(b"gzip") => inflated(&body, bytes_max),
        Some(other) => Err(format!("a body in {:?} cannot be read", String::from_utf8_lossy(other))),
    }
}

fn encoding(headers: &HeaderMap) -> Option<&[u8]> {
    let encoding = headers.get(CONTENT_ENCODING)?.as_bytes().trim_ascii();
    (!encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")).then_some(encoding)
}

fn inflated(body: &[u8], bytes_max: usize) -> Result<Bytes, String> {
    let mut out = Vec::new();
    // One byte more, to tell what is as long as it may be from what is longer.
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body)
        .take(most)
        .read_to_end(&mut out)
        .map_err(|error| format!("the gzip is broken: {error}"))?;
    if out.len() > bytes_max {
        return Err(format!("unpacked, it has more than {bytes_max} bytes"));
    }
    Ok(out.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    use super::*;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    fn unpack(encoding: &'static str, body: Bytes) -> Result<Bytes, String> {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(encoding))]);
        unpacked(&headers, body, 1_000)
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        let (plain, whole) = (Bytes::from_static(b"a list"), Bytes::from(vec![b'x'; 1_000]));
        assert_eq!(unpacked(&HeaderMap::new(), plain.clone(), 1_000).unwrap(), plain);
        for name in ["gzip", "GZIP", " gzip "] {
            assert_eq!(unpack(name, gzip(&plain)).unwrap(), plain, "{name}");
            assert_eq!(unpack(name, gzip(&whole)).unwrap(), whole, "as long as it may be");
        }
        assert_eq!(unpack("identity", plain.clone()).unwrap(), plain);
        let members = [gzip(b"a "), gzip(b"list")].concat();
        assert_eq!(unpack("gzip", members.into()).unwrap(), plain, "the members are one body");
    }

    #[test]
    fn bombs_and_broken_bodies_are_refused() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000, "{}", bomb.len());
        let too_long = "unpacked, it has more than 1000 bytes";
        assert_eq!(unpack("gzip", bomb).unwrap_err(), too_long);
        assert_eq!(unpack("gzip", gzip(&[0; 1_001])).unwrap_err(), too_long);
        let good = gzip(b"a list");
        let mut flipped = good.to_vec();
        flipped[good.len() - 6] ^= 1;
        for broken in
            [&good[..good.len() - 1], &good[..5], b"", b"a list", &flipped, &[&good[..], b"x"].concat()]
        {
            let error = unpack("gzip", Bytes::copy_from_slice(broken)).unwrap_err();
            assert!(error.starts_with("the gzip is broken"), "{error}");
        }
        assert!(unpack("br", good).unwrap_err().contains("\"br\""));
    }
}
