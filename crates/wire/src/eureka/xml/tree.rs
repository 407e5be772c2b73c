//! Walks an XML document element by element, refusing what no client has a reason to send.
//!
//! A document type is refused, and no entity but the five predefined ones and character references is
//! resolved, so nothing can be pulled in from elsewhere or blown up.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::eureka::limits::{Budget, DecodeError, Limits};

/// A position in a document.
pub(crate) struct Tree<'a, 'l> {
    reader: Reader<&'a [u8]>,
    pub(crate) budget: Budget<'l>,
    depth: usize,
}

/// What stands at a position. Comments, processing instructions and the declaration are passed over.
enum Piece<'a> {
    Start(BytesStart<'a>),
    End,
    Text(Cow<'a, str>),
    Eof,
}

impl<'a, 'l> Tree<'a, 'l> {
    pub(crate) fn new(text: &'a str, limits: &'l Limits) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, budget: Budget::new(limits), depth: 0 }
    }

    /// Enters the root element.
    pub(crate) fn root(&mut self) -> Result<BytesStart<'a>, DecodeError> {
        loop {
            match self.piece()? {
                Piece::Start(root) => return Ok(root),
                Piece::Text(text) if is_blank(&text) => {}
                Piece::Text(_) => return Err(self.malformed("text outside the root element")),
                Piece::End | Piece::Eof => return Err(self.malformed("no root element")),
            }
        }
    }

    /// Checks that nothing but white space follows the root element.
    pub(crate) fn finish(&mut self) -> Result<(), DecodeError> {
        loop {
            match self.piece()? {
                Piece::Eof => return Ok(()),
                Piece::Text(text) if is_blank(&text) => {}
                _ => return Err(self.malformed("more than one root element")),
            }
        }
    }

    /// Enters the next child of the present element, or leaves the element if there is none.
    pub(crate) fn child(&mut self) -> Result<Option<BytesStart<'a>>, DecodeError> {
        loop {
            match self.piece()? {
                Piece::Start(child) => return Ok(Some(child)),
                Piece::End => return Ok(None),
                Piece::Text(_) => {}
                Piece::Eof => return Err(self.malformed("the document ends inside an element")),
            }
        }
    }

    /// Leaves the present element and returns its text; `field` names it in errors.
    pub(crate) fn text(
        &mut self,
        field: impl FnOnce() -> Cow<'static, str>,
    ) -> Result<Cow<'a, str>, DecodeError> {
        let mut whole = Cow::Borrowed("");
        loop {
            match self.piece()? {
                Piece::End => break,
                Piece::Text(text) if whole.is_empty() => whole = text,
                Piece::Text(text) => whole.to_mut().push_str(&text),
                Piece::Start(_) => {
                    return Err(DecodeError::field(field(), "expected text, found an element"));
                }
                Piece::Eof => return Err(self.malformed("the document ends inside an element")),
            }
        }
        self.budget.text(&whole)?;
        Ok(whole)
    }

    /// Leaves the present element, whatever is in it.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        let outer = self.depth - 1;
        while self.depth > outer {
            if matches!(self.piece()?, Piece::Eof) {
                return Err(self.malformed("the document ends inside an element"));
            }
        }
        Ok(())
    }

    /// The error for a document that is not well-formed here.
    pub(crate) fn malformed(&self, reason: impl std::fmt::Display) -> DecodeError {
        let at = self.reader.buffer_position();
        DecodeError::Malformed { format: "XML", reason: format!("{reason} at byte {at}") }
    }

    fn piece(&mut self) -> Result<Piece<'a>, DecodeError> {
        loop {
            let event = self.reader.read_event().map_err(|error| self.malformed(error))?;
            return Ok(match event {
                Event::Start(start) => {
                    self.depth += 1;
                    self.budget.depth(self.depth)?;
                    Piece::Start(start)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Piece::End
                }
                Event::Text(text) => Piece::Text(text.xml10_content()),
                Event::CData(text) => Piece::Text(text.xml10_content()),
                Event::GeneralRef(reference) => Piece::Text(self.resolve(&reference)?),
                Event::Eof => Piece::Eof,
                Event::DocType(_) => return Err(self.malformed("a document type is not accepted")),
                // Empty elements arrive as a start and an end.
                Event::Empty(_) | Event::Comment(_) | Event::PI(_) | Event::Decl(_) => continue,
            });
        }
    }

    fn resolve(&self, reference: &quick_xml::events::BytesRef<'a>) -> Result<Cow<'a, str>, DecodeError> {
        match reference.resolve_char_ref().map_err(|error| self.malformed(error))? {
            Some(char) => Ok(Cow::Owned(char.to_string())),
            None => resolve_predefined_entity(reference)
                .map(Cow::Borrowed)
                .ok_or_else(|| self.malformed("an entity that is not predefined")),
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
