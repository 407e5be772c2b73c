//! Commands and state as bytes. Little-endian, lengths and numbers as LEB128, one version per module: what was written once
//! can be read for ever.

pub mod snapshot;
pub mod v1;

use bytes::Bytes;
use thiserror::Error;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{what} at byte {at}")]
pub struct Damage {
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub at: usize,
}

/// Bytes that grow.
#[derive(Debug, Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn flag(&mut self, flag: bool) {
        self.byte(u8::from(flag));
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| write(self, item));
    }
}

/// Bytes that are read from the front.
#[derive(Debug)]
struct Reader<'a> {
    whole: &'a Bytes,
    at: usize,
}

type Read<T> = Result<T, Damage>;

impl<'a> Reader<'a> {
    fn new(whole: &'a Bytes) -> Self {
        Self { whole, at: 0 }
    }

    fn damage<T>(&self, what: &'static str) -> Read<T> {
        Err(Damage { what, at: self.at })
    }

    fn byte(&mut self) -> Read<u8> {
        let Some(byte) = self.whole.get(self.at) else { return self.damage("the end comes too early") };
        self.at += 1;
        Ok(*byte)
    }

    fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.damage("a flag is neither 0 nor 1"),
        }
    }

    fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if part << shift >> shift != part {
                return self.damage("a number is too large");
            }
            number |= part << shift;
            if byte < 0x80 {
                // One number has one form, so that equal commands are equal bytes.
                return if byte == 0 && shift > 0 { self.damage("a number is padded") } else { Ok(number) };
            }
        }
        self.damage("a number is too large")
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Read<T> {
        let number = self.number()?;
        T::try_from(number).or_else(|_| self.damage("a number is too large"))
    }

    fn length(&mut self) -> Read<usize> {
        let length = self.number()?;
        // Nothing is shorter than a byte: this bounds what a length can make us allocate.
        match usize::try_from(length) {
            Ok(length) if length <= self.whole.len() - self.at => Ok(length),
            _ => self.damage("a length is beyond the end"),
        }
    }

    fn bytes(&mut self) -> Read<Bytes> {
        let length = self.length()?;
        let range = self.at..self.at + length;
        self.at += length;
        // A slice keeps all of the input in memory: a batch of thousands must not stay for the sake of one of them.
        let most = length > self.whole.len() / 2;
        Ok(if most { self.whole.slice(range) } else { Bytes::copy_from_slice(&self.whole[range]) })
    }

    fn text(&mut self) -> Read<Box<str>> {
        let length = self.length()?;
        let Ok(text) = std::str::from_utf8(&self.whole[self.at..self.at + length]) else {
            return self.damage("a text is not UTF-8");
        };
        self.at += length;
        Ok(text.into())
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn list<T, L: FromIterator<T>>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<L> {
        let length = self.length()?;
        (0..length).map(|_| read(self)).collect()
    }

    fn end(&self) -> Read<()> {
        if self.at == self.whole.len() { Ok(()) } else { self.damage("something follows the end") }
    }
}
