//! Acknowledges at once what a server says while a login is under way.
//!
//! OpenSSH's server turns Nagle's algorithm off only when a command begins: before that the second of two small packets waits for
//! the acknowledgement of the first, and a client with nothing to say puts that off by 40 ms. Once in each login.
//!
//! Owns: the first reads of a connection. Must not: look at the bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Reads of a login, and some more: russh reads each packet in two.
const READS: u32 = 128;

/// A connection whose first reads are acknowledged at once.
pub(super) struct Prompt {
    stream: TcpStream,
    reads: u32,
}

impl Prompt {
    /// This connection.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, reads: 0 }
    }
}

impl AsyncRead for Prompt {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.reads < READS {
            self.reads += 1;
            // The kernel forgets this wish by itself. Where it knows none, the login is 40 ms slower.
            #[cfg(target_os = "linux")]
            let _ = self.stream.set_quickack(true);
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
