//! Listeners on loopback whose connections end with the sandbox.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::connection::{Connection, Line};
use crate::count::Service;
use crate::fault::Fault;
use crate::state::Shared;
use crate::stream::Stream;

/// Binds a port of 127.0.0.1; 0 takes any that is free.
pub(crate) async fn bind(port: u16) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// The running listeners. When it is dropped, they and all their connections end.
#[derive(Debug)]
pub(crate) struct Server {
    stop: watch::Sender<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { stop: watch::Sender::new(()), tasks: Vec::new() }
    }

    /// `service` is `None` for the control endpoint, to which no fault happens and which never has TLS.
    pub(crate) fn serve(&mut self, listener: TcpListener, router: Router, shared: Arc<Shared>, service: Option<Service>) {
        let listener = StoppableListener { inner: listener, stop: self.stop.subscribe(), shared, service };
        self.tasks.push(tokio::spawn(async move {
            // Serving goes on until the task is aborted; it never gives an error.
            let _ = axum::serve(listener, router.into_make_service_with_connect_info::<Line>()).await;
        }));
    }

    /// Ends everything and waits until the ports are free and the connections closed.
    pub(crate) async fn shutdown(mut self) {
        self.stop();
        for task in self.tasks.drain(..) {
            // An aborted task ends with the error that says so.
            let _ = task.await;
        }
        self.stop.closed().await;
    }

    fn stop(&self) {
        // No receiver: no connection is left to be told.
        let _ = self.stop.send(());
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) struct StoppableListener {
    inner: TcpListener,
    stop: watch::Receiver<()>,
    shared: Arc<Shared>,
    service: Option<Service>,
}

impl StoppableListener {
    /// `None` when the connection is to end at once.
    fn begun(&self, stream: TcpStream) -> Option<Stream> {
        let Some(service) = self.service else { return Some(Stream::Plain(stream)) };
        let fault = self.shared.plan.of_connection(service, self.shared.has_tls());
        if fault == Some(Fault::ResetAtAccept) {
            Stream::Plain(stream).reset_on_drop();
            return None;
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.shared.tls {
            let fault = if let Some(Fault::Certificate(fault)) = fault { Some(fault) } else { None };
            return Some(Stream::Handshake(Box::new(tls.accept(stream, fault))));
        }
        Some(Stream::Plain(stream))
    }
}

impl Listener for StoppableListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.inner).await;
            // Small answers go out at once. Where that cannot be set, they go out a little later.
            let _ = stream.set_nodelay(true);
            if let Some(stream) = self.begun(stream) {
                return (Connection::new(stream, self.shared.clone(), self.stop.clone()), address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}
