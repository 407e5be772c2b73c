//! The text of a statement, cut at its tokens: what is sent on is what was written, piece by piece, and never what a parser made of it.

use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::error::{Result, refused};

/// A part of a statement that another statement is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fragment(pub(super) Vec<Part>);

/// A piece of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// As it was written.
    Text(String),
    /// A placeholder: which argument, from zero.
    Argument(usize),
}

impl Fragment {
    fn text(&mut self, more: &str) {
        match self.0.last_mut() {
            Some(Part::Text(text)) => text.push_str(more),
            _ => self.0.push(Part::Text(more.to_owned())),
        }
    }
}

/// A token and where it is from.
#[derive(Debug)]
struct Piece {
    token: Token,
    at: Location,
    start: usize,
    end: usize,
    /// How many parentheses are open around it.
    depth: usize,
    /// Which argument it stands for, if it is a placeholder.
    argument: Option<usize>,
}

/// A statement and its tokens.
#[derive(Debug)]
pub(super) struct Text<'a> {
    sql: &'a str,
    pieces: Vec<Piece>,
}

impl<'a> Text<'a> {
    /// Cuts a statement.
    ///
    /// # Errors
    /// It is not of tokens of this dialect, or has comments that some servers execute.
    pub(super) fn cut(sql: &'a str, dialect: &dyn Dialect) -> Result<Self> {
        if sql.contains("/*!") || sql.contains("/*M!") {
            return refused("a comment that some servers execute");
        }
        let tokens = match Tokenizer::new(dialect, sql).with_unescape(false).tokenize_with_location() {
            Ok(tokens) => tokens,
            Err(error) => return refused(format!("{error}")),
        };
        let starts = offsets(sql, &tokens);
        let (mut pieces, mut depth, mut placeholders) = (Vec::with_capacity(tokens.len()), 0_usize, 0);
        for (index, TokenWithSpan { token, span }) in tokens.into_iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(sql.len());
            let mut argument = None;
            match &token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                Token::Placeholder(name) => {
                    argument = Some(match name.strip_prefix('$') {
                        None => placeholders,
                        Some(number) => match number.parse::<usize>() {
                            Ok(number) if number > 0 => number - 1,
                            _ => return refused(format!("the placeholder {name}")),
                        },
                    });
                    placeholders += 1;
                }
                _ => {}
            }
            // A closing parenthesis is as deep as the one that opens.
            let depth = if token == Token::LParen { depth - 1 } else { depth };
            pieces.push(Piece { token, at: span.start, start: starts[index], end, depth, argument });
        }
        Ok(Self { sql, pieces })
    }

    /// The tokens as a parser takes them.
    pub(super) fn tokens(&self) -> Vec<TokenWithSpan> {
        let span = |piece: &Piece| sqlparser::tokenizer::Span::new(piece.at, piece.at);
        self.pieces.iter().map(|piece| TokenWithSpan::new(piece.token.clone(), span(piece))).collect()
    }

    /// How many arguments it wants.
    pub(super) fn arguments(&self) -> usize {
        self.pieces.iter().filter_map(|piece| piece.argument).max().map_or(0, |last| last + 1)
    }

    /// Everything, without what ends the statement.
    pub(super) fn all(&self) -> Fragment {
        self.between(0, self.pieces.len())
    }

    /// The first of these words outside of parentheses at or after the token `from`.
    pub(super) fn find(&self, from: usize, words: &[Keyword]) -> Option<usize> {
        let is = |piece: &Piece| piece.depth == 0 && words.contains(&keyword(&piece.token));
        self.pieces.iter().skip(from).position(is).map(|found| found + from)
    }

    /// Whether one of these words is anywhere, also inside of parentheses, other than after one of `except`.
    pub(super) fn has(&self, words: &[Keyword], except: &[Keyword]) -> bool {
        let mut before = Keyword::NoKeyword;
        self.pieces.iter().filter(|piece| !is_space(&piece.token)).any(|piece| {
            let word = keyword(&piece.token);
            let found = words.contains(&word) && !except.contains(&before);
            before = word;
            found
        })
    }

    /// How often a word is there, inside of parentheses or not.
    pub(super) fn count(&self, word: Keyword) -> usize {
        self.pieces.iter().filter(|piece| keyword(&piece.token) == word).count()
    }

    /// The tokens `from..to`, without comments.
    pub(super) fn between(&self, from: usize, to: usize) -> Fragment {
        let mut fragment = Fragment::default();
        for piece in self.pieces.get(from..to).unwrap_or_default() {
            match (&piece.token, piece.argument) {
                (_, Some(argument)) => fragment.0.push(Part::Argument(argument)),
                (Token::Whitespace(_), _) => fragment.text(" "),
                (Token::SemiColon | Token::EOF, _) => {}
                _ => fragment.text(&self.sql[piece.start..piece.end]),
            }
        }
        fragment
    }

    /// The number of tokens.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// The argument or the text of the token that begins here.
    pub(super) fn at(&self, at: Location) -> Option<Part> {
        let piece = self.pieces.iter().find(|piece| piece.at == at)?;
        Some(match piece.argument {
            Some(argument) => Part::Argument(argument),
            None => Part::Text(self.sql[piece.start..piece.end].to_owned()),
        })
    }
}

fn keyword(token: &Token) -> Keyword {
    match token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    }
}

fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_))
}

/// Where each token begins, in bytes: the tokenizer counts lines and characters.
fn offsets(sql: &str, tokens: &[TokenWithSpan]) -> Vec<usize> {
    let (mut line, mut column) = (1, 1);
    let mut characters = sql.char_indices().peekable();
    let mut starts = Vec::with_capacity(tokens.len());
    for TokenWithSpan { span, .. } in tokens {
        while (line, column) < (span.start.line, span.start.column) {
            match characters.next() {
                Some((_, '\n')) => (line, column) = (line + 1, 1),
                Some(_) => column += 1,
                None => break,
            }
        }
        starts.push(characters.peek().map_or(sql.len(), |(offset, _)| *offset));
    }
    starts
}
