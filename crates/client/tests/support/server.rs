//! A server on a runtime of its own, so that it can be killed with all that it is doing.

use std::net::{SocketAddr, TcpListener};

use axum::Router;
use axum::http::uri::Authority;
use synod_client::call::ServeLayer;
use tokio::runtime::{Builder, Runtime};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    /// Serves the router with the layer under test, on a free port.
    pub(crate) fn start(app: Router) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), app)
    }

    pub(crate) fn at(address: SocketAddr, app: Router) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app.layer(ServeLayer)).await.unwrap();
        });
        Self { address, runtime: Some(runtime) }
    }

    pub(crate) fn authority(&self) -> Authority {
        self.address.to_string().parse().unwrap()
    }

    /// Ends it in the middle of whatever it does. Its sockets are closed when this returns.
    pub(crate) fn kill(mut self) {
        stop(self.runtime.take());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(self.runtime.take());
    }
}

/// On another thread: a runtime must not be ended from within one.
fn stop(runtime: Option<Runtime>) {
    let end = move || runtime.map(|runtime| runtime.shutdown_timeout(std::time::Duration::from_secs(5)));
    std::thread::spawn(end).join().unwrap();
}

/// An address at which nobody listens, and nobody will: it is taken.
#[allow(dead_code, reason = "not every test needs it")]
pub(crate) fn nobody() -> Authority {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket);
    address.to_string().parse().unwrap()
}
