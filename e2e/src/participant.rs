//! A participant of transactions: a small HTTP server that keeps its own record of what it was asked. Tests judge by this
//! record, never by what Synod says of itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// One call as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The path without the query.
    pub path: String,
    /// The query string.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// A parameter of the query, as it was sent; empty if it is not there.
    pub fn parameter(&self, name: &str) -> &str {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

/// What it answers: a status and a body.
pub type Answer = (u16, String);

type Script = dyn Fn(&Received) -> Answer + Send + Sync;

/// See the module. It serves until the test's process ends.
#[derive(Clone)]
pub struct Participant {
    address: SocketAddr,
    record: Arc<Mutex<Vec<Received>>>,
}

impl std::fmt::Debug for Participant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Participant({})", self.address)
    }
}

impl Participant {
    /// One that answers what `script` says, after it has written down what it was asked.
    ///
    /// # Panics
    /// It cannot listen.
    pub fn start(script: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let record: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (script, kept): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&record));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                // Whoever hangs up in the middle is no concern of the others.
                std::thread::spawn(move || serve(&stream, &*script, &kept).ok());
            }
        });
        Self { address, record }
    }

    /// The URL of a path there.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that arrived so far, in order.
    pub fn record(&self) -> Vec<Received> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: &TcpStream, script: &Script, record: &Mutex<Vec<Received>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let received = Received { path: path.to_owned(), query: query.to_owned(), body };
        record.lock().unwrap_or_else(PoisonError::into_inner).push(received.clone());
        let (status, text) = script(&received);
        write!(writer, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len())?;
    }
}
