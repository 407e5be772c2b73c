//! The signature of notifications, by which a receiver knows who sent it, and when.

use std::fmt;

use ring::hmac;

/// The key made of `notify.secret`.
#[derive(Clone)]
pub(super) struct Signer(hmac::Key);

impl Signer {
    /// `None` without a secret.
    pub(super) fn new(secret: &str) -> Option<Self> {
        (!secret.is_empty()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())))
    }

    /// `t=<seconds since 1970>,v1=<HMAC-SHA-256 of "seconds.body" in hex>`.
    pub(super) fn sign(&self, at_s: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{at_s}.").as_bytes());
        context.update(body);
        let mut text = format!("t={at_s},v1=");
        for byte in context.sign().as_ref() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        text
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_over_time_and_body() {
        // By `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`.
        let signed = Signer::new("secret").unwrap().sign(1_700_000_000, br#"{"a":1}"#);
        let expected = "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(signed, expected);
    }

    #[test]
    fn without_a_secret_there_is_none() {
        assert!(Signer::new("").is_none());
    }
}
