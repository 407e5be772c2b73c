//! Something between the SDK and Synod that lets requests through and loses answers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use synod_e2e::{Request, http};

/// The end of the path whose answers are lost, how many of them, and how many have been.
#[derive(Default)]
struct Losing {
    path: String,
    left: u32,
    lost: u32,
}

pub(crate) struct Lossy {
    address: SocketAddr,
    losing: Arc<Mutex<Losing>>,
}

impl Lossy {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let losing = Arc::new(Mutex::new(Losing::default()));
        let shared = Arc::clone(&losing);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let losing = Arc::clone(&shared);
                // A connection that is hung up on is the client's concern.
                std::thread::spawn(move || pass(&stream, server, &losing).ok());
            }
        });
        Self { address, losing }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Loses the next answers to requests whose path ends like this. Gives how many were lost.
    pub(crate) fn lose(&self, path: &str, times: u32) -> impl Fn() -> u32 + use<> {
        *self.losing.lock().expect("nobody panics") = Losing { path: path.to_owned(), left: times, lost: 0 };
        let losing = Arc::clone(&self.losing);
        move || losing.lock().expect("nobody panics").lost
    }
}

fn pass(stream: &TcpStream, server: SocketAddr, losing: &Mutex<Losing>) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut request = Request::new(&method, &target);
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "content-type" => request = request.header(name, value.trim()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if length > 0 {
            request = request.body(body);
        }
        let reply = http::try_send(server, &request)?;
        {
            let mut losing = losing.lock().expect("nobody panics");
            if losing.left > 0 && target.ends_with(&losing.path) {
                losing.left -= 1;
                losing.lost += 1;
                return Ok(());
            }
        }
        let kind = reply.header("content-type").unwrap_or("text/plain");
        let head = format!(
            "HTTP/1.1 {} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            reply.status,
            reply.body.len()
        );
        writer.write_all(&[head.as_bytes(), &reply.body].concat())?;
    }
}
