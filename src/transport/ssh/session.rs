//! Channels of one SSH connection.
//!
//! Owns: the limit of channels, a reader and a writer task for each. Must not: leave a channel undrained: in russh one that
//! nobody reads blocks the whole connection, its keepalives and its key exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::{ChannelMsg, ChannelReadHalf, Disconnect, Pty, Sig};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::connect::Connection;
use super::opening::{Opened, To, kept};
use super::sftp::{self, Sent};
use crate::transport::channel::{Channel, Channels, Event, Feed, Input, NO_CHANNEL};
use crate::transport::{Pending, Stream};

/// OpenSSH allows ten sessions on a connection.
const CHANNELS: usize = 8;
const OPEN: Duration = Duration::from_secs(20);
/// How long a refused channel is asked for again, and how often.
const CLOSING: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(20);
/// How long output is awaited after a program's end, while something it left behind holds the channel open.
const REST: Duration = Duration::from_secs(1);

/// The channels of one connection.
pub(super) struct SshChannels {
    connection: Arc<Connection>,
    free: Arc<Semaphore>,
    /// The server has shown that it has no SFTP, and is not asked again.
    no_sftp: AtomicBool,
    terminal: AtomicBool,
}

impl SshChannels {
    /// On this connection.
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            free: Arc::new(Semaphore::new(CHANNELS)),
            no_sftp: AtomicBool::new(false),
            terminal: AtomicBool::new(false),
        }
    }

    async fn session(&self) -> Result<Opened, String> {
        let free = self
            .free
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| "the session is closed".to_owned())?;
        match timeout(OPEN, kept(opened(self.connection.clone(), free))).await {
            Ok(Some(opened)) => opened.map_err(|why| format!("{NO_CHANNEL}: {why}")),
            _ => Err(format!("{NO_CHANNEL} within {} s", OPEN.as_secs())),
        }
    }

    /// Starts the command in a channel, and the two tasks that it has.
    async fn started(&self, ssh: Opened, command: String) -> Result<Channel, String> {
        // Without a reply: what the command says first is the answer.
        ssh.to
            .exec(false, command)
            .await
            .map_err(|e| format!("the command could not be sent: {e}"))?;
        let (channel, feed, inputs) = Channel::new();
        tokio::spawn(write(ssh.to, inputs, feed.clone()));
        tokio::spawn(read(ssh.from, feed, self.connection.clone(), ssh.free));
        Ok(channel)
    }
}

/// A session channel in this place.
async fn opened(connection: Arc<Connection>, free: OwnedSemaphorePermit) -> Result<Opened, String> {
    let since = Instant::now();
    loop {
        match connection.handle.channel_open_session().await {
            Ok(channel) => return Ok(Opened::new(channel, free)),
            // A channel that we have closed counts until the server has seen the end of what ran in it.
            Err(russh::Error::ChannelOpenFailure(_)) if since.elapsed() < CLOSING => sleep(AGAIN).await,
            Err(e) => return Err(connection.learnt().ended.unwrap_or_else(|| e.to_string())),
        }
    }
}

impl Channels for SshChannels {
    fn open<'a>(&'a self, command: String) -> Pending<'a, Result<Channel, String>> {
        Box::pin(async move {
            let ssh = self.session().await?;
            self.started(ssh, command).await
        })
    }

    fn open_terminal<'a>(&'a self, command: String) -> Pending<'a, Result<Channel, String>> {
        Box::pin(async move {
            let mut ssh = self.session().await?;
            let asked = async {
                // A password is not shown even where it comes before its question has turned that off.
                let modes = [(Pty::ECHO, 0)];
                ssh.to.request_pty(true, "dumb", 80, 24, 0, 0, &modes).await.ok()?;
                loop {
                    match ssh.from.wait().await? {
                        ChannelMsg::Success => return Some(()),
                        ChannelMsg::Failure | ChannelMsg::Close => return None,
                        _ => {}
                    }
                }
            };
            match timeout(OPEN, asked).await {
                Ok(Some(())) => self.started(ssh, command).await,
                _ => Err("the server gives us no terminal (`PermitTTY`)".to_owned()),
            }
        })
    }

    fn sudo_wants_terminal(&self) -> &AtomicBool {
        &self.terminal
    }

    fn upload<'a>(&'a self, path: &'a str, content: &'a [u8]) -> Pending<'a, Option<Result<(), String>>> {
        Box::pin(async move {
            if self.no_sftp.load(Ordering::Relaxed) {
                return None;
            }
            let opened = match self.session().await {
                Ok(opened) => opened,
                Err(why) => return Some(Err(why)),
            };
            match sftp::upload(opened, path, content).await {
                Ok(Sent::Ended(sent)) => Some(sent),
                Ok(Sent::NoSftp) => {
                    self.no_sftp.store(true, Ordering::Relaxed);
                    None
                }
                Err(why) => Some(Err(why)),
            }
        })
    }

    fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    fn close<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(async move {
            let bye = self.connection.handle.disconnect(Disconnect::ByApplication, "", "en");
            // A connection that cannot take its end any more has ended.
            let _ = timeout(REST, bye).await;
        })
    }
}

/// Drains one channel to its end, or until nobody listens any more: of a channel that we close, russh never tells the end.
async fn read(mut from: ChannelReadHalf, feed: Feed, connection: Arc<Connection>, free: OwnedSemaphorePermit) {
    let mut status = None;
    let mut told = false;
    loop {
        let rest = async {
            match status.filter(|_| !told) {
                Some(_) => sleep(REST).await,
                None => std::future::pending().await,
            }
        };
        let message = tokio::select! {
            message = from.wait() => message,
            () = feed.closed() => break,
            () = rest => {
                // Something that the program left behind holds the channel; its end is known.
                told = true;
                feed.event(Event::Exit(status.unwrap_or_default()));
                continue;
            }
        };
        match message {
            Some(ChannelMsg::Data { data }) => feed.bytes(Stream::Out, data.to_vec()),
            Some(ChannelMsg::ExtendedData { data, .. }) => feed.bytes(Stream::Err, data.to_vec()),
            Some(ChannelMsg::ExitStatus { exit_status }) => status = Some(exit_status.cast_signed()),
            Some(ChannelMsg::ExitSignal { signal_name, .. }) => status = Some(128 + number(&signal_name)),
            Some(ChannelMsg::Close) | None => break,
            Some(_) => {}
        }
    }
    if !told {
        feed.event(match status {
            Some(status) => Event::Exit(status),
            None => Event::Gone(connection.learnt().ended.map_or_else(
                || "the channel ended without an exit status".to_owned(),
                |why| format!("the connection ended: {why}"),
            )),
        });
    }
    drop(free);
}

/// Feeds one channel until nobody wants anything of it any more, then closes it.
async fn write(to: To, mut inputs: UnboundedReceiver<Input>, feed: Feed) {
    while let Some(input) = inputs.recv().await {
        let sent = tokio::select! {
            sent = async {
                match input {
                    Input::Bytes(bytes) => to.data_bytes(bytes).await,
                    Input::End => to.eof().await,
                }
            } => sent,
            // A host that takes no more input must not hold this task for ever.
            () = feed.closed() => break,
        };
        if sent.is_err() {
            return;
        }
    }
}

fn number(signal: &Sig) -> i32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        Sig::Custom(_) => 0,
    }
}
