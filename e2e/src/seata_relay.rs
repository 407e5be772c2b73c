//! What stands between Seata's client and its server and reads along: how the frames of both are written.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Of a frame's head: magic number, version, lengths, kind, codec, compressor, id.
const HEAD_BYTES: usize = 16;
const MAGIC: [u8; 2] = [0xda, 0xda];
/// Kinds from here on are heartbeats, which are never compressed.
const HEARTBEAT: u8 = 3;

/// Who has written a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// How the body of a frame with one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written {
    /// By whom.
    pub by: Side,
    /// Whether it answers something.
    pub answers: bool,
    /// Number of the serializer.
    pub codec: u8,
    /// Number of the compressor.
    pub compressor: u8,
}

/// Relays connections to a server until the test ends.
#[derive(Debug)]
pub struct SeataRelay {
    address: SocketAddr,
    seen: Arc<Mutex<BTreeSet<Written>>>,
}

impl SeataRelay {
    /// Starts one for the server at `to`.
    ///
    /// # Panics
    /// There is no free port.
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if let Err(error) = join(&client, to, &all) {
                    eprintln!("relay: {error}");
                }
            }
        });
        Self { address, seen }
    }

    /// Where the client finds it.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How frames with a body have been written so far.
    pub fn seen(&self) -> BTreeSet<Written> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn join(client: &TcpStream, to: SocketAddr, seen: &Arc<Mutex<BTreeSet<Written>>>) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    for (by, from, to) in [(Side::Client, client, &server), (Side::Server, &server, client)] {
        let (mut from, mut to, seen) = (from.try_clone()?, to.try_clone()?, Arc::clone(seen));
        thread::spawn(move || {
            if let Err(error) = relay(by, &mut from, &mut to, &seen) {
                eprintln!("relay: {by:?}: {error}");
            }
            to.shutdown(std::net::Shutdown::Write).ok();
        });
    }
    Ok(())
}

/// Frame by frame until the end.
fn relay(
    by: Side,
    from: &mut impl Read,
    to: &mut impl Write,
    seen: &Mutex<BTreeSet<Written>>,
) -> io::Result<()> {
    loop {
        let mut head = [0; HEAD_BYTES];
        match from.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let [m0, m1, _, l0, l1, l2, l3, _, _, kind, codec, compressor, ..] = head;
        if [m0, m1] != MAGIC {
            return Err(io::Error::other(format!("no frame: {head:02x?}")));
        }
        let length = usize::try_from(u32::from_be_bytes([l0, l1, l2, l3])).map_err(io::Error::other)?;
        let mut frame = head.to_vec();
        frame.resize(length.max(HEAD_BYTES), 0);
        from.read_exact(&mut frame[HEAD_BYTES..])?;
        if kind < HEARTBEAT {
            let written = Written { by, answers: kind == 1, codec, compressor };
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(written);
        }
        to.write_all(&frame)?;
    }
}
