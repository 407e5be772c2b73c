//! Reads HTTP/1.1 responses from a stream with as little work as a load generator can do honestly: status, length
//! or chunks, `Connection: close`. It does no I/O, so the blocking and the asynchronous driver share it.

use anyhow::{Context, Result, bail, ensure};

/// A response head longer than this is an error.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// What one response said, without its body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
    /// The server will close the connection after this response.
    pub(crate) close: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    /// The bytes of the line end after a chunk that are still to come.
    ChunkEnd(u64),
    Trailer,
}

/// Incremental reader of a sequence of responses.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    state: State,
    /// An incomplete head, chunk size or trailer line.
    partial: Vec<u8>,
    answer: Answer,
    keep: bool,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Default for ResponseReader {
    fn default() -> Self {
        Self {
            state: State::Head,
            partial: Vec::new(),
            answer: Answer { status: 0, body_bytes: 0, close: false },
            keep: false,
            head: Vec::new(),
            body: Vec::new(),
        }
    }
}

impl ResponseReader {
    /// Whether the next response's head and body are kept for [`Self::take_kept`]; otherwise they are drained.
    pub(crate) fn keep(&mut self, keep: bool) {
        self.keep = keep;
        self.head.clear();
        self.body.clear();
    }

    /// Head and body of the response read last, when it was to be kept.
    pub(crate) fn take_kept(&mut self) -> (Vec<u8>, Vec<u8>) {
        (std::mem::take(&mut self.head), std::mem::take(&mut self.body))
    }

    /// Takes bytes from the stream; returns how many were used and the response that they completed, if any.
    ///
    /// # Errors
    /// When the bytes are not HTTP/1.1, or the response has neither a length nor chunks.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Answer>)> {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            let done = match self.state {
                State::Head => self.take_head(rest, &mut used)?,
                State::Length(left) => {
                    let left = self.take_body(rest, left, &mut used);
                    self.state = State::Length(left);
                    left == 0
                }
                State::ChunkData(left) => {
                    let left = self.take_body(rest, left, &mut used);
                    self.state = if left == 0 { State::ChunkEnd(2) } else { State::ChunkData(left) };
                    false
                }
                State::ChunkEnd(left) => {
                    let step = left.min(rest.len() as u64);
                    used += step as usize;
                    self.state = if left == step { State::ChunkSize } else { State::ChunkEnd(left - step) };
                    false
                }
                State::ChunkSize => self.take_chunk_size(rest, &mut used)?,
                State::Trailer => self.take_line(rest, &mut used)?.is_some_and(|line| line.is_empty()),
            };
            if done {
                self.state = State::Head;
                return Ok((used, Some(self.answer)));
            }
        }
        Ok((used, None))
    }

    /// True when the whole response ended with its head.
    fn take_head(&mut self, rest: &[u8], used: &mut usize) -> Result<bool> {
        let before = self.partial.len();
        let parsed = if before == 0
            && let Some(end) = find_head_end(rest)
        {
            *used += end;
            self.keep_head(&rest[..end]);
            parse_head(&rest[..end])?
        } else {
            self.partial.extend_from_slice(rest);
            let Some(end) = find_head_end(&self.partial) else {
                ensure!(self.partial.len() <= HEAD_BYTES_MAX, "response head exceeds {HEAD_BYTES_MAX} bytes");
                *used += rest.len();
                return Ok(false);
            };
            *used += end - before;
            let head = std::mem::take(&mut self.partial);
            self.keep_head(&head[..end]);
            parse_head(&head[..end])?
        };
        self.answer = Answer { status: parsed.status, body_bytes: 0, close: parsed.close };
        self.state = match parsed.framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
        };
        Ok(matches!(self.state, State::Length(0)))
    }

    fn keep_head(&mut self, head: &[u8]) {
        if self.keep {
            self.head.extend_from_slice(head);
        }
    }

    fn take_body(&mut self, rest: &[u8], left: u64, used: &mut usize) -> u64 {
        let step = left.min(rest.len() as u64);
        if self.keep {
            self.body.extend_from_slice(&rest[..step as usize]);
        }
        *used += step as usize;
        self.answer.body_bytes += step;
        left - step
    }

    fn take_chunk_size(&mut self, rest: &[u8], used: &mut usize) -> Result<bool> {
        let Some(line) = self.take_line(rest, used)? else { return Ok(false) };
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let text = std::str::from_utf8(digits).context("chunk size is not text")?.trim();
        let size = u64::from_str_radix(text, 16).with_context(|| format!("chunk size {text:?}"))?;
        self.state = if size == 0 { State::Trailer } else { State::ChunkData(size) };
        Ok(false)
    }

    /// The next line without its end, once it is complete.
    fn take_line(&mut self, rest: &[u8], used: &mut usize) -> Result<Option<Vec<u8>>> {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let step = end.map_or(rest.len(), |at| at + 1);
        *used += step;
        self.partial.extend_from_slice(&rest[..step]);
        ensure!(self.partial.len() <= HEAD_BYTES_MAX, "line exceeds {HEAD_BYTES_MAX} bytes");
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.partial);
        line.truncate(line.trim_ascii_end().len());
        Ok(Some(line))
    }
}

enum Framing {
    Length(u64),
    Chunked,
}

struct Head {
    status: u16,
    framing: Framing,
    close: bool,
}

fn find_head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn parse_head(head: &[u8]) -> Result<Head> {
    ensure!(head.starts_with(b"HTTP/1.1 ") && head.len() > 12, "not an HTTP/1.1 response");
    let status = std::str::from_utf8(&head[9..12]).ok().and_then(|text| text.parse().ok());
    let status = status.context("the status is not a number")?;
    let (mut length, mut chunked, mut close) = (None, false, false);
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let text = std::str::from_utf8(value).context("content-length is not text")?;
            length = Some(text.parse::<u64>().with_context(|| format!("content-length {text:?}"))?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            chunked = value.eq_ignore_ascii_case(b"chunked");
        } else if name.eq_ignore_ascii_case(b"connection") {
            close = value.eq_ignore_ascii_case(b"close");
        }
    }
    let framing = match (status, chunked, length) {
        (204 | 304, _, _) => Framing::Length(0),
        (_, true, _) => Framing::Chunked,
        (_, false, Some(length)) => Framing::Length(length),
        (_, false, None) => bail!("response {status} has neither a length nor chunks"),
    };
    Ok(Head { status, framing, close })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the text in pieces of every size and compares what comes out.
    fn check(text: &str, want: &[(u16, &str)]) {
        for piece in 1..=text.len() {
            let mut reader = ResponseReader::default();
            reader.keep(true);
            let mut got = Vec::new();
            for bytes in text.as_bytes().chunks(piece) {
                let mut at = 0;
                while at < bytes.len() {
                    let (used, answer) = reader.feed(&bytes[at..]).unwrap();
                    at += used;
                    if let Some(answer) = answer {
                        let (_, body) = reader.take_kept();
                        assert_eq!(answer.body_bytes, body.len() as u64);
                        got.push((answer.status, String::from_utf8(body).unwrap()));
                    }
                }
            }
            let got: Vec<_> = got.iter().map(|(status, body)| (*status, body.as_str())).collect();
            assert_eq!(got, want, "pieces of {piece}");
        }
    }

    #[test]
    fn lengths_and_empty_answers() {
        check(
            "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\n\
             HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            &[(200, "hello"), (204, ""), (404, "")],
        );
    }

    #[test]
    fn chunks_with_extension_and_trailer() {
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\nA\r\n, chunked!\r\n0\r\nA: b\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            &[(200, "hello, chunked!"), (200, "ok")],
        );
    }

    #[test]
    fn close_is_seen() {
        let mut reader = ResponseReader::default();
        let text = b"HTTP/1.1 200 \r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let (used, answer) = reader.feed(text).unwrap();
        assert_eq!(used, text.len());
        assert_eq!(answer, Some(Answer { status: 200, body_bytes: 0, close: true }));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 abc OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(ResponseReader::default().feed(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
