//! One blocking connection, for paced load and for single questions.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::response::{Answer, ResponseReader};

/// Bytes read at once; more would leave the cache that the server needs too.
pub(crate) const BUFFER_BYTES: usize = 64 * 1024;
/// A server that says nothing for so long has failed the run.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// A keep-alive connection that is opened again when the server closes it, as Tomcat does after some requests.
#[derive(Debug)]
pub(crate) struct Connection {
    addr: SocketAddr,
    stream: Option<TcpStream>,
    reader: ResponseReader,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects with the first request.
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self { addr, stream: None, reader: ResponseReader::default(), buffer: vec![0; BUFFER_BYTES] }
    }

    /// Sends a request and reads its answer; the body is kept only if asked for.
    ///
    /// # Errors
    /// When the connection fails or the answer is not HTTP.
    pub(crate) fn exchange(&mut self, request: &[u8], keep: bool) -> Result<Answer> {
        let answer = self.try_exchange(request, keep);
        if answer.as_ref().map_or(true, |answer| answer.close) {
            self.stream = None;
        }
        answer
    }

    /// Head and body of the last answer, when it was to be kept.
    pub(crate) fn take_kept(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.reader.take_kept()
    }

    fn try_exchange(&mut self, request: &[u8], keep: bool) -> Result<Answer> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream =
                    TcpStream::connect(self.addr).with_context(|| format!("connecting to {}", self.addr))?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SILENCE_MAX))?;
                self.reader = ResponseReader::default();
                none.insert(stream)
            }
        };
        self.reader.keep(keep);
        stream.write_all(request).context("sending a request")?;
        loop {
            let got = stream.read(&mut self.buffer).context("reading an answer")?;
            if got == 0 {
                bail!("the server closed the connection in the middle of an answer");
            }
            let (used, answer) = self.reader.feed(&self.buffer[..got])?;
            if let Some(answer) = answer {
                anyhow::ensure!(used == got, "{} bytes follow the answer", got - used);
                return Ok(answer);
            }
        }
    }
}
