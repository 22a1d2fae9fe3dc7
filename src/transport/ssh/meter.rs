//! How much a server may say before it has let us in.
//!
//! Owns: the count, on the stream itself: it holds for whatever the bytes are, also for what russh keeps or answers. Must not:
//! count anything after the login; what a channel may bring is limited where it is read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Key exchange, banner, refusals: an honest server needs a few kilobytes.
const BEFORE_LOGIN: u64 = 1 << 20;
/// Nothing is counted any more.
const LIFTED: u64 = u64::MAX;

/// What is told of a server that says more.
pub(super) fn too_much() -> String {
    format!("the server said more than {} MiB before the login", BEFORE_LOGIN >> 20)
}

/// Bytes that may still come.
#[derive(Debug)]
pub(super) struct Allowance(AtomicU64);

impl Allowance {
    /// All of it.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(BEFORE_LOGIN))
    }

    /// The login is through.
    pub(super) fn lift(&self) {
        self.0.store(LIFTED, Ordering::Relaxed);
    }

    /// Nobody waits for this login any more: whatever comes next ends the connection, which is still read from.
    pub(super) fn withdraw(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// More came than may.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn spend(&self, bytes: u64) {
        // It may be lifted at the same time; then nothing is taken off.
        let take = |left| (left != LIFTED).then(|| u64::saturating_sub(left, bytes));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
    }
}

/// A stream that ends when its allowance is spent.
pub(super) struct Metered<S> {
    stream: S,
    allowance: Arc<Allowance>,
}

impl<S> Metered<S> {
    /// This stream with this allowance.
    pub(super) fn new(stream: S, allowance: Arc<Allowance>) -> Self {
        Self { stream, allowance }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.allowance.is_spent() {
            return Poll::Ready(Err(io::Error::other(too_much())));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.allowance.spend((buf.filled().len() - before) as u64);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
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
