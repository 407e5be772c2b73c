//! Inflating what a client sent compressed, up to a limit: the only place that does.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

/// Why compressed bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// More comes out than is allowed.
    #[error("the body inflates to more than {max} bytes")]
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// It is not gzip, or is damaged or cut short.
    #[error("the body is not valid gzip")]
    Invalid,
}

/// Inflates gzip (one member or several) to at most `max` bytes; work and memory are bounded by that, whatever comes in.
///
/// # Errors
/// When more would come out, or it is not gzip.
pub fn inflate(compressed: &[u8], max: usize) -> Result<Bytes, InflateError> {
    let mut inflated = Vec::with_capacity(compressed.len().saturating_mul(4).min(max));
    // One byte more than allowed tells the difference between full and too full.
    let mut decoder = MultiGzDecoder::new(compressed).take(max as u64 + 1);
    decoder.read_to_end(&mut inflated).map_err(|_| InflateError::Invalid)?;
    if inflated.len() > max {
        return Err(InflateError::TooLarge { max });
    }
    Ok(inflated.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn exactly_the_limit_passes_and_one_byte_more_does_not() {
        let compressed = gzip(&[7; 1_000]);
        assert_eq!(inflate(&compressed, 1_000).unwrap(), vec![7; 1_000]);
        assert_eq!(inflate(&compressed, 999), Err(InflateError::TooLarge { max: 999 }));
    }

    #[test]
    fn a_bomb_is_refused() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 128 << 10);
        assert_eq!(inflate(&bomb, 1 << 20), Err(InflateError::TooLarge { max: 1 << 20 }));
    }

    #[test]
    fn members_are_joined_and_rubbish_is_refused() {
        let two = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(inflate(&two, 100).unwrap(), "one two");
        assert_eq!(inflate(b"plain", 100), Err(InflateError::Invalid));
        let whole = gzip(b"whole");
        assert_eq!(inflate(&whole[..whole.len() - 1], 100), Err(InflateError::Invalid));
    }
}
