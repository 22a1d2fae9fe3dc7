//! A session on this machine: the same shell and the same latch over child processes.
//!
//! Owns: children with their pipes. Must not: have rules of its own about steps or files.
//!
//! A child is in a session of its own, so that a signal to pitstop's terminal does not reach it, and sees only the part of
//! pitstop's environment that a login would give it: secrets that providers read from the environment stay out.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedReceiver;

use super::channel::{Channel, Channels, Event, Feed, Input};
use super::facts::add_first_key;
use super::host::Host;
use super::latch::About;
use super::{CHILD, ConnectError, Endpoint, Pending, Session, Stream, Transport};

/// What of pitstop's environment a command on the control machine sees.
const PASSED: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
];
/// How long output is awaited from what a dead child left behind.
const REST: Duration = Duration::from_secs(1);

/// Reaches the machine pitstop runs on.
#[derive(Clone, Debug, Default)]
pub struct LocalTransport {
    home: Option<PathBuf>,
}

impl LocalTransport {
    /// As the user who runs pitstop.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another home directory, where the run's directory is made.
    pub fn with_home(home: PathBuf) -> Self {
        Self { home: Some(home) }
    }
}

impl Transport for LocalTransport {
    fn descriptors(&self, to: &Endpoint) -> u32 {
        // A host is asked for one step at a time, and has a second lane beside it; the control machine works for all hosts.
        let children = if to.host.is_controller() { 8 } else { 2 };
        children * CHILD
    }

    fn connect<'a>(&'a self, to: &'a Endpoint) -> Pending<'a, Result<Arc<dyn Session>, ConnectError>> {
        Box::pin(async move {
            let channels = Box::new(Children {
                home: self.home.clone(),
                terminal: AtomicBool::new(false),
            });
            let host = Host::begin(
                channels,
                to,
                true,
                About {
                    user: None,
                    virtual_: true,
                },
                |facts, hello| {
                    match &self.home {
                        // Another home stands for another machine: it has a lock of its own.
                        Some(home) => facts.machine = format!("{} {}", facts.machine, home.display()),
                        None => add_first_key(facts, hello),
                    }
                },
            )
            .await?;
            Ok(Arc::new(host) as Arc<dyn Session>)
        })
    }
}

struct Children {
    home: Option<PathBuf>,
    terminal: AtomicBool,
}

impl Channels for Children {
    fn open<'a>(&'a self, command: String) -> Pending<'a, Result<Channel, String>> {
        Box::pin(async move {
            let mut child = Command::new("setsid");
            child.args(["/bin/sh", "-c", &command]).env_clear();
            child.envs(
                PASSED
                    .iter()
                    .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))),
            );
            if let Some(home) = &self.home {
                child.env("HOME", home);
            }
            child
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            let child = child.spawn().map_err(|e| format!("starting a shell here: {e}"))?;
            let (channel, feed, inputs) = Channel::new();
            tokio::spawn(drive(child, feed, inputs));
            Ok(channel)
        })
    }

    fn open_terminal<'a>(&'a self, _command: String) -> Pending<'a, Result<Channel, String>> {
        Box::pin(async { Err("on this machine nobody is given a terminal: permit it without a password".to_owned()) })
    }

    fn sudo_wants_terminal(&self) -> &AtomicBool {
        &self.terminal
    }

    fn upload<'a>(&'a self, _path: &'a str, _content: &'a [u8]) -> Pending<'a, Option<Result<(), String>>> {
        Box::pin(async { None })
    }

    fn is_closed(&self) -> bool {
        false
    }

    fn close<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(async {})
    }
}

/// Feeds and drains one child to its end. A child whose channel was dropped is killed; what it latched lives on.
async fn drive(mut child: tokio::process::Child, feed: Feed, inputs: UnboundedReceiver<Input>) {
    let writer = tokio::spawn(write(child.stdin.take(), inputs));
    let out = tokio::spawn(read(child.stdout.take(), Stream::Out, feed.clone()));
    let err = tokio::spawn(read(child.stderr.take(), Stream::Err, feed.clone()));
    let status = tokio::select! {
        status = child.wait() => status,
        () = feed.closed() => {
            // The child may have ended in between.
            let _ = child.kill().await;
            child.wait().await
        }
    };
    let rest = async {
        // A reader ends at the end of its pipe; a panic in it loses output, not the child's status.
        let _ = out.await;
        let _ = err.await;
    };
    // What a daemon holds open is not waited for.
    let _ = tokio::time::timeout(REST, rest).await;
    writer.abort();
    feed.event(match status {
        Ok(status) => Event::Exit(code(status)),
        Err(e) => Event::Gone(format!("waiting for the shell: {e}")),
    });
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

async fn write(stdin: Option<tokio::process::ChildStdin>, mut inputs: UnboundedReceiver<Input>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(Input::Bytes(bytes)) = inputs.recv().await {
        if stdin.write_all(&bytes).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>, stream: Stream, feed: Feed) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0_u8; 64 << 10];
    loop {
        match pipe.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(n) => feed.bytes(stream, buffer.get(..n).unwrap_or_default().to_vec()),
        }
    }
}
