//! A small blocking HTTP/1.1 client: what a test sends is exactly what it wrote, and reads can be cut into small pieces.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long one read or write may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request; build it with the methods named as HTTP's.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query as they go over the wire.
    pub target: String,
    /// Headers besides `Host` and `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body, if any.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// Any method.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: None }
    }

    /// A read.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A read that wants JSON.
    pub fn get_json(target: &str) -> Self {
        Self::get(target).header("Accept", "application/json")
    }

    /// A renewal, a status, metadata.
    pub fn put(target: &str) -> Self {
        Self::new("PUT", target)
    }

    /// A cancel.
    pub fn delete(target: &str) -> Self {
        Self::new("DELETE", target)
    }

    /// A JSON body by POST.
    pub fn post_json(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", target).header("Content-Type", "application/json").body(body)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// The bytes of the request as sent to `host`.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.body.as_ref().map_or(0, Vec::len);
        if self.body.is_some() || matches!(self.method.as_str(), "POST" | "PUT") {
            head.push_str(&format!("Content-Length: {length}\r\n"));
        }
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Headers in the order received.
    pub headers: Vec<(String, String)>,
    /// The body as received, not decompressed.
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// It is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("status {} with a body that is no JSON ({error}): {}", self.status, self.text())
        })
    }

    /// Itself when the status is the expected one.
    ///
    /// # Panics
    /// It is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "unexpected status, body: {}", self.text());
        self
    }
}

/// A connection that stays open between requests.
#[derive(Debug)]
pub struct Connection {
    host: String,
    reader: BufReader<Pieces>,
}

/// Reads at most so many bytes at once, as a slow or stingy reader would.
#[derive(Debug)]
struct Pieces {
    stream: TcpStream,
    most: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.most.min(into.len());
        self.stream.read(&mut into[..most])
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        Self::with_pieces(address, usize::MAX)
    }

    /// Connects, and takes at most `most` bytes at each read.
    ///
    /// # Errors
    /// Nobody listens there.
    pub fn with_pieces(address: SocketAddr, most: usize) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let reader = BufReader::with_capacity(64 << 10, Pieces { stream, most });
        Ok(Self { host: address.to_string(), reader })
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// The connection ended, or took too long.
    pub fn send(&mut self, request: &Request) -> io::Result<Reply> {
        self.write(&request.bytes(&self.host))?;
        self.read_reply(request.method == "HEAD")
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The other side closed, or took too long.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().stream.write_all(bytes)
    }

    /// The socket, for time-outs and half-closing.
    pub fn stream(&self) -> &TcpStream {
        &self.reader.get_ref().stream
    }

    /// Reads one answer; with `head`, one without body whatever its headers say.
    ///
    /// # Errors
    /// The connection ended, took too long, or the bytes are no HTTP.
    pub fn read_reply(&mut self, head: bool) -> io::Result<Reply> {
        let start = self.line()?;
        let status = start.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {start}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        if !head && !matches!(status, 100..=199 | 204 | 304) {
            self.read_body(&mut reply)?;
        }
        Ok(reply)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn read_body(&mut self, reply: &mut Reply) -> io::Result<()> {
        if reply.header("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks(&mut reply.body);
        }
        match reply.header("Content-Length").map(str::parse) {
            Some(Ok(length)) => {
                reply.body = vec![0; length];
                self.reader.read_exact(&mut reply.body)
            }
            Some(Err(_)) => Err(io::Error::other("Content-Length is no number")),
            None => self.reader.read_to_end(&mut reply.body).map(drop),
        }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16)
                .map_err(|_| io::Error::other(format!("no chunk size: {line}")))?;
            let start = body.len();
            body.resize(start + size, 0);
            self.reader.read_exact(&mut body[start..])?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }
}

/// One request on its own connection.
///
/// # Panics
/// There was no answer.
#[track_caller]
pub fn send(address: SocketAddr, request: &Request) -> Reply {
    try_send(address, request)
        .unwrap_or_else(|error| panic!("{} {} got no answer: {error}", request.method, request.target))
}

/// One request on its own connection.
///
/// # Errors
/// There was no answer.
pub fn try_send(address: SocketAddr, request: &Request) -> io::Result<Reply> {
    Connection::open(address)?.send(&request.clone().header("Connection", "close"))
}
