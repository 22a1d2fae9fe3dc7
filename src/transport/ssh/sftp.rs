//! Files over the SFTP subsystem of a connection.
//!
//! Owns: the stream between a channel and the SFTP library, and knowing when it has ended: the library waits out its own limit
//! for an answer if a stream ends before the request for it was noted, and for ever asks a server that has no such subsystem.
//! Must not: decide where a file goes, or leave a channel undrained.

use std::time::Duration;

use russh::{ChannelMsg, ChannelReadHalf};
use russh_sftp::client::error::Error;
use russh_sftp::client::{Config, SftpSession};
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::{AsyncWriteExt, ReadHalf, SimplexStream, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::client::printable;
use super::opening::{Opened, To};

/// Limit of one answer, in seconds.
const ANSWER: u64 = 30;
/// What the server sent may wait here, in bytes, until the library has read it.
const WAITING: usize = 256 << 10;
/// How long the library is given to make sense of what came last.
const REST: Duration = Duration::from_millis(200);

/// How far an upload came.
pub(super) enum Sent {
    /// The server does not speak SFTP; nothing was written.
    NoSftp,
    /// It ended, well or not.
    Ended(Result<(), String>),
}

/// Writes a new file (O_EXCL, 0600, synced) over this channel, and closes it, also if this is dropped in the middle.
pub(super) async fn upload(opened: Opened, path: &str, content: &[u8]) -> Result<Sent, String> {
    let Opened { from, to, free } = opened;
    to.request_subsystem(true, "sftp")
        .await
        .map_err(|e| printable(&e.to_string()))?;
    let writer = to.make_writer();
    let (near, far) = tokio::io::simplex(WAITING);
    // Dropped with this future, which tells the other side to close.
    let (_held, dropped) = oneshot::channel();
    let drained = tokio::spawn(drain(from, to, far, dropped, free));
    write(tokio::io::join(near, Box::pin(writer)), drained, path, content).await
}

type Stream<W> = tokio::io::Join<ReadHalf<SimplexStream>, W>;

async fn write<W>(stream: Stream<W>, mut drained: JoinHandle<()>, path: &str, content: &[u8]) -> Result<Sent, String>
where
    W: tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // 16 writes of 32 KiB under way. Four times as much costs the host half as much CPU again: its sshd moves what waits in it.
    let config = Config {
        request_timeout_secs: ANSWER,
        ..Config::default()
    };
    let mut speaks = false;
    let work = async {
        let sftp = SftpSession::new_with_config(stream, config).await?;
        speaks = true;
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
        let attributes = FileAttributes {
            permissions: Some(0o600),
            ..FileAttributes::empty()
        };
        let mut file = sftp.open_with_flags_and_attributes(path, flags, attributes).await?;
        file.write_all(content).await?;
        // This syncs it, too.
        file.flush().await?;
        file.close().await?;
        // The file is closed and on disk: how the subsystem ends changes nothing.
        let _ = sftp.close().await;
        Ok::<_, Error>(())
    };
    let sent = tokio::select! {
        biased;
        sent = work => sent.map_err(|e| printable(&e.to_string())),
        () = async {
            // It cannot fail: the task is not ended by anybody, and does not panic.
            let _ = (&mut drained).await;
            sleep(REST).await;
        } => Err("the server's SFTP ended".to_owned()),
    };
    Ok(if speaks { Sent::Ended(sent) } else { Sent::NoSftp })
}

/// Passes on what the server sends until one of the two sides ends, then closes the channel.
async fn drain(
    mut from: ChannelReadHalf,
    to: To,
    mut far: WriteHalf<SimplexStream>,
    mut dropped: oneshot::Receiver<()>,
    free: OwnedSemaphorePermit,
) {
    loop {
        let data = tokio::select! {
            message = from.wait() => match message {
                Some(ChannelMsg::Data { data }) => data,
                Some(ChannelMsg::Failure | ChannelMsg::Eof | ChannelMsg::Close) | None => break,
                Some(_) => continue,
            },
            _ = &mut dropped => break,
        };
        let passed = tokio::select! {
            passed = far.write_all(&data) => passed,
            _ = &mut dropped => break,
        };
        if passed.is_err() {
            break;
        }
    }
    drop((to, from, free));
}
