//! A target without a POSIX shell: network gear, a forced command, Windows. Always *attached*.
//!
//! Owns: one command on one channel, sent as it is written. Must not: make up a command of its own but the one question that
//! tells cmd.exe, promise anything about a command whose channel ended without a status.

use tokio::sync::Semaphore;

use super::channel::{Channel, Channels, Event, ends};
use super::plain::Taken;
use super::shell::few;
use super::steps::cancelled;
use super::{CMD, Request, Session, Sink};
use super::{Command, ConnectError, Endpoint, How, LatchKey, LockNote, LockOutcome, Met, Pending, Probe, Put};
use crate::id::RunId;
use crate::inventory::facts::Facts;

/// Commands at one time; network gear allows few.
const STEPS: usize = 2;
/// What cmd.exe puts its system's name for, and nobody else does.
const QUESTION: &str = "echo %OS%";
const WINDOWS: &str = "Windows_NT";
/// Of its answer so much is looked at.
const ANSWER: usize = 4096;

/// The session.
pub(super) struct Bare {
    channels: Box<dyn Channels>,
    facts: Facts,
    steps: Semaphore,
}

impl Bare {
    /// Nothing is run to begin with, but on Windows: whether cmd.exe answers, for which commands are written.
    pub(super) async fn begin(channels: Box<dyn Channels>, to: &Endpoint, facts: Facts) -> Result<Self, ConnectError> {
        let bare = Self {
            channels,
            facts,
            steps: Semaphore::new(STEPS),
        };
        if to.privilege.shell != CMD {
            return Ok(bare);
        }
        let asked = tokio::time::timeout(to.connect_timeout, bare.asked());
        let cause = match asked.await {
            Ok(Ok(said)) if said.contains(WINDOWS) => return Ok(bare),
            Ok(Ok(said)) => format!(
                "it is not cmd.exe that takes commands there: to `{QUESTION}` it says `{}`",
                few(&said)
            ),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer to `{QUESTION}` within {} s", to.connect_timeout.as_secs()),
        };
        Err(ConnectError {
            doing: format!("asking {} for its shell", to.host),
            cause,
            help: "make cmd.exe the default shell of its OpenSSH: delete the value `DefaultShell` under HKLM\\SOFTWARE\\OpenSSH"
                .to_owned(),
            transient: bare.channels.is_closed(),
            touched: false,
            met: Met::Server,
        })
    }

    async fn asked(&self) -> Result<String, String> {
        let mut channel = self.channels.open(QUESTION.to_owned()).await?;
        channel.end_input();
        let mut said = Vec::new();
        loop {
            match channel.next().await {
                Event::Bytes(_, bytes) => {
                    let room = ANSWER.saturating_sub(said.len());
                    said.extend(bytes.iter().take(room));
                }
                Event::Dropped(..) => {}
                Event::Exit(_) => return Ok(String::from_utf8_lossy(&said).trim().to_owned()),
                Event::Gone(why) => return Err(why),
            }
        }
    }

    async fn step(&self, request: &Request, sink: &mut dyn Sink) -> How {
        if *request.cancel.borrow() {
            return How::NotSent("stopped before it was sent".to_owned());
        }
        let text = match text(request) {
            Ok(text) => text,
            Err(why) => return How::NotSent(format!("the target has no POSIX shell: {why}")),
        };
        let Ok(_turn) = self.steps.acquire().await else {
            return How::NotSent("the session is closed".to_owned());
        };
        let mut channel = match self.channels.open(text).await {
            Ok(channel) => channel,
            Err(why) => return How::NotSent(why),
        };
        if let Some(input) = &request.stdin {
            channel.send(input.expose());
        }
        channel.end_input();
        followed(&mut channel, request, sink).await
    }
}

/// To its end, its limit, or the operator's wish. What was not seen to end may go on: nothing can stop it.
async fn followed(channel: &mut Channel, request: &Request, sink: &mut dyn Sink) -> How {
    let deadline = ends(request.timeout);
    let mut cancel = request.cancel.clone();
    let mut taken = Taken::from_the_start(request);
    loop {
        let event = tokio::select! {
            event = channel.next() => event,
            () = cancelled(&mut cancel) => return left("it was to be stopped"),
            () = tokio::time::sleep_until(deadline) => return left("it did not end within its limit"),
        };
        match event {
            Event::Exit(status) => return How::Exited(status),
            Event::Gone(why) => return How::Unknown(why),
            other => taken.event(other, sink),
        }
    }
}

fn left(why: &str) -> How {
    How::Unknown(format!(
        "{why}, and may still run: a target without a shell cannot be asked"
    ))
}

/// The command as it is sent.
fn text(request: &Request) -> Result<String, String> {
    if let Some(user) = &request.become_user {
        return Err(format!("nobody can become {user} there"));
    }
    if let Some((name, _)) = request.env.first() {
        return Err(format!("{name} cannot be set there; write its value into the command"));
    }
    let text = match &request.command {
        Command::Shell(text) => text.trim_end().to_owned(),
        Command::Argv(words) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@,+\\".contains(&b);
            if let Some(odd) = words.iter().find(|w| w.is_empty() || !w.bytes().all(plain)) {
                return Err(format!(
                    "nobody knows how it quotes {odd:?}; write the command as one text"
                ));
            }
            words.join(" ")
        }
        Command::Script { .. } => return Err("there is no place for a script".to_owned()),
    };
    if text.contains(['\n', '\r', '\0']) {
        return Err("a command is one line there".to_owned());
    }
    Ok(text)
}

const NO_FILES: &str = "the target has no POSIX shell, which files need";

impl Session for Bare {
    fn has_shell(&self) -> bool {
        false
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn run<'a>(&'a self, request: Request, sink: &'a mut dyn Sink) -> Pending<'a, How> {
        Box::pin(async move { self.step(&request, sink).await })
    }

    fn probe<'a>(
        &'a self,
        _key: &'a LatchKey,
        _boot: &'a str,
        _become_user: Option<&'a str>,
        _sink: &'a mut dyn Sink,
    ) -> Pending<'a, Probe> {
        Box::pin(async { Probe::NoAccess("the target has no POSIX shell to be asked in".to_owned()) })
    }

    fn follow<'a>(&'a self, _key: &'a LatchKey, _request: Request, _sink: &'a mut dyn Sink) -> Pending<'a, How> {
        Box::pin(async { left("its channel is gone") })
    }

    fn acknowledge<'a>(&'a self, _keys: Vec<LatchKey>) -> Pending<'a, ()> {
        Box::pin(async {})
    }

    fn put<'a>(&'a self, _file: Put) -> Pending<'a, Result<(), String>> {
        Box::pin(async { Err(NO_FILES.to_owned()) })
    }

    fn get<'a>(
        &'a self,
        _path: &'a str,
        _max_bytes: u64,
        _become_user: Option<&'a str>,
        _sink: &'a mut dyn Sink,
    ) -> Pending<'a, Result<(), String>> {
        Box::pin(async { Err(NO_FILES.to_owned()) })
    }

    fn lock<'a>(&'a self, _note: &'a LockNote) -> Pending<'a, Result<LockOutcome, String>> {
        Box::pin(async { Ok(LockOutcome::NoPlace("the target has no POSIX shell".to_owned())) })
    }

    fn unlock<'a>(&'a self, _run: &'a RunId) -> Pending<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn leave<'a>(&'a self) -> Pending<'a, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }

    fn close<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(self.channels.close())
    }
}
