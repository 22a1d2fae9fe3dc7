//! `ProxyCommand` of the operator's ssh config: a program whose input and output are the way to a host.
//!
//! Owns: that program's life. Must not: take a command from anywhere but the operator's own config.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::connect::{at, error};
use crate::transport::shell::few;
use crate::transport::{ConnectError, Endpoint};

/// What a person can do where it does not lead to the server.
pub(super) const LOOK: &str =
    "run the ProxyCommand of your ssh config by hand: it must connect its input and output with the server";
/// Of what it complains about so much is kept.
const KEPT: usize = 4096;

/// The running program. Dropping it ends it.
pub(super) struct Proxy {
    input: ChildStdin,
    output: ChildStdout,
    /// Ends with the program, and gives the end of what it complained about.
    errors: JoinHandle<Vec<u8>>,
    /// Why it ended before anything came.
    ended: Option<String>,
    /// Something came over it.
    came: bool,
    _child: Child,
}

/// Starts it, in a process group of its own: Ctrl-C at the terminal is for us, and does not cut links.
pub(super) fn start(command: &str, to: &Endpoint) -> Result<Proxy, ConnectError> {
    let failed = |cause: String| error(format!("connecting to {}", at(to)), cause, LOOK, false);
    let mut child = Command::new("/bin/sh")
        .args(["-c", &format!("exec {command}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| failed(format!("its ProxyCommand does not start: {e}")))?;
    let (Some(input), Some(output), Some(errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(failed("its ProxyCommand has no input or output".to_owned()));
    };
    Ok(Proxy {
        input,
        output,
        errors: tokio::spawn(listen(errors)),
        ended: None,
        came: false,
        _child: child,
    })
}

/// Takes what it complains about, to its end: a full pipe would stop it.
async fn listen(mut errors: ChildStderr) -> Vec<u8> {
    let (mut buffer, mut said) = ([0_u8; 1024], Vec::new());
    while let Ok(n @ 1..) = errors.read(&mut buffer).await {
        said.extend_from_slice(buffer.get(..n).unwrap_or_default());
        said.drain(..said.len().saturating_sub(KEPT));
    }
    said
}

impl Proxy {
    /// It has ended, or will take no more, and nothing came: what it said to that.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.ended.is_none() {
            let said = ready!(Pin::new(&mut self.errors).poll(cx)).unwrap_or_default();
            let text = String::from_utf8_lossy(&said);
            self.ended = Some(few(text.trim().lines().next_back().unwrap_or_default()));
        }
        let why = match self.ended.as_deref().unwrap_or_default() {
            "" => "its ProxyCommand ended before the server said anything".to_owned(),
            last => format!("its ProxyCommand ended: {last}"),
        };
        Poll::Ready(io::Error::new(io::ErrorKind::ConnectionAborted, why))
    }
}

impl Drop for Proxy {
    /// What it has started may live on with its standard error: nobody listens to that.
    fn drop(&mut self) {
        self.errors.abort();
    }
}

impl AsyncRead for Proxy {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match ready!(Pin::new(&mut self.output).poll_read(cx, buf)) {
            Ok(()) if buf.filled().len() > before => self.came = true,
            Ok(()) if !self.came => return self.poll_ended(cx).map(Err),
            other => return Poll::Ready(other),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Proxy {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.input).poll_write(cx, bytes)) {
            Err(_) if !self.came => self.poll_ended(cx).map(Err),
            other => Poll::Ready(other),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
