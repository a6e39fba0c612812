//! Listeners on loopback whose connections end with the sandbox.
//!
//! The connections are a type of ours: what is to happen below HTTP (a torn body, a reset, a slow line) belongs here.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

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

    pub(crate) fn serve(&mut self, listener: TcpListener, router: Router) {
        let listener = StoppableListener { inner: listener, stop: self.stop.subscribe() };
        self.tasks.push(tokio::spawn(async move {
            // Serving goes on until the task is aborted; it never gives an error.
            let _ = axum::serve(listener, router).await;
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

struct StoppableListener {
    inner: TcpListener,
    stop: watch::Receiver<()>,
}

impl Listener for StoppableListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.inner).await;
        // Small answers go out at once. Where that cannot be set, they go out a little later.
        let _ = stream.set_nodelay(true);
        let mut stop = self.stop.clone();
        let stopped = Box::pin(async move {
            // A dropped sender means the same as a message.
            let _ = stop.changed().await;
        });
        (Connection { stream, stopped, is_stopped: false }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A connection that fails as soon as the sandbox stops.
pub(crate) struct Connection {
    stream: TcpStream,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_stopped: bool,
}

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.is_stopped || self.stopped.as_mut().poll(context).is_ready() {
            self.is_stopped = true;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
