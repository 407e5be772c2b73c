//! Fields, read one after the other.

use bytes::{Buf, Bytes};

use crate::seata::error::DecodeError;
use crate::seata::text::Text;

/// What has not been read yet.
#[derive(Clone)]
pub(super) struct Fields {
    rest: Bytes,
}

impl Fields {
    pub(super) const fn new(rest: Bytes) -> Self {
        Self { rest }
    }

    pub(super) fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    /// The next `length` bytes apart.
    pub(super) fn part(&mut self, field: &'static str, length: usize) -> Result<Self, DecodeError> {
        Ok(Self { rest: self.take(field, length)? })
    }

    fn take(&mut self, field: &'static str, length: usize) -> Result<Bytes, DecodeError> {
        if length > self.rest.len() {
            Err(DecodeError::Short { field })
        } else {
            Ok(self.rest.split_to(length))
        }
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.rest.try_get_u8().map_err(|_| DecodeError::Short { field })
    }

    pub(super) fn i16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        self.rest.try_get_i16().map_err(|_| DecodeError::Short { field })
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.rest.try_get_i32().map_err(|_| DecodeError::Short { field })
    }

    pub(super) fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        self.rest.try_get_i64().map_err(|_| DecodeError::Short { field })
    }

    /// A text behind one byte of length.
    pub(super) fn tiny_text(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        let length = self.u8(field)?;
        self.text_of(field, length.into())
    }

    /// A text behind two bytes of length.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        let length = self.i16(field)?;
        self.text_of(field, length.into())
    }

    /// A text behind four bytes of length.
    pub(super) fn long_text(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        let length = self.i32(field)?;
        self.text_of(field, length)
    }

    /// The original reads a length below zero as null.
    fn text_of(&mut self, field: &'static str, length: i32) -> Result<Text, DecodeError> {
        let bytes = self.take(field, usize::try_from(length).unwrap_or(0))?;
        Text::from_utf8(bytes).ok_or(DecodeError::Utf8 { field })
    }

    /// A number of an enumeration.
    pub(super) fn code<T>(
        &mut self,
        field: &'static str,
        from_code: impl FnOnce(u8) -> Option<T>,
    ) -> Result<T, DecodeError> {
        let code = self.u8(field)?;
        from_code(code).ok_or(DecodeError::Code { field, code: code.into() })
    }

    /// Nothing may be left.
    pub(super) fn end(&self, field: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(DecodeError::Behind { field, bytes }),
        }
    }
}
