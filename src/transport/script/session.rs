//! A session on a scripted host.
//!
//! Owns: the life of one command, from sending to its proven end, in the words of [`Session`]. Must not: choose an answer.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::world::{Attempt, Stand, World, later};
use super::{Answer, Fault};
use crate::clock::Clock;
use crate::id::{Digest, HostName, RunId};
use crate::inventory::facts::Facts;
use crate::transport::look::{self, Question};
use crate::transport::{Command, Endpoint, How, LatchKey, LockNote, LockOutcome, Pending, Probe, Put, Request};
use crate::transport::{Session, Sink, Stream};

const LOST: &str = "the link was lost";

/// One login.
pub(super) struct Scripted {
    world: Arc<World>,
    clock: Arc<dyn Clock>,
    host: HostName,
    facts: Facts,
    link: watch::Receiver<u64>,
    /// The link's number when this session began.
    mine: u64,
}

impl Scripted {
    pub(super) fn open(world: &Arc<World>, clock: &Arc<dyn Clock>, to: &Endpoint) -> Arc<dyn Session> {
        let mut facts = world.facts(&to.host);
        if facts.latch {
            facts.run_dir = format!("/home/tester/.pitstop/{}", to.run);
        }
        if let Some(user) = &to.user {
            facts.user.clone_from(user);
        }
        let link = world.state().host(&to.host).link.subscribe();
        let mine = *link.borrow();
        Arc::new(Self {
            world: Arc::clone(world),
            clock: Arc::clone(clock),
            host: to.host.clone(),
            facts,
            link,
            mine,
        })
    }

    fn is_lost(&self) -> bool {
        *self.link.borrow() != self.mine
    }

    /// Asks the script. `Err`: there is no answer to wait for.
    fn ask(&self, key: &str, text: &str) -> Result<Answer, How> {
        let now = self.clock.now();
        let Some(answer) = self.world.take(&self.host, key, text, now) else {
            return Err(How::Exited(127));
        };
        if answer.then == Some(Fault::Refuse) {
            self.world.leave_for(&self.host, answer.away(), now);
            return Err(How::NotSent("connection refused".to_owned()));
        }
        Ok(answer)
    }

    async fn perform(&self, request: Request, sink: &mut dyn Sink) -> How {
        if *request.cancel.borrow() {
            return How::NotSent("stopped before it was sent".to_owned());
        }
        if self.is_lost() {
            return How::NotSent(LOST.to_owned());
        }
        let text = words(&request.command);
        if let Some(how) = self.own(&request, &text, sink) {
            return how;
        }
        let name = match &request.latch {
            Some(LatchKey(key)) => key.clone(),
            // Nobody asks for it again; a name of its own keeps it apart from other commands.
            None => format!("plain {} {}", request.step_key, self.world.said().len()),
        };
        let standing = self.standing(&name).map(|attempt| attempt.state);
        if standing == Some(Stand::Never) {
            return How::NotSent("it was asked for before it began, and must not begin any more".to_owned());
        }
        if standing.is_none() {
            let key = request.step_key.split_once('/').map_or("", |(_, key)| key);
            let answer = match self.ask(key, &text) {
                Ok(answer) => answer,
                Err(how) => {
                    if let How::Exited(_) = how {
                        sink.take(Stream::Err, b"the test has no answer to this command\n");
                    }
                    return how;
                }
            };
            self.removes(&text, &answer);
            self.world
                .state()
                .host(&self.host)
                .start(&name, answer, self.clock.now());
        }
        self.attend(&name, request.timeout, request.cancel, sink).await
    }

    /// pitstop's own questions, which no script answers: may we become a user, what is a file now.
    fn own(&self, request: &Request, text: &str, sink: &mut dyn Sink) -> Option<How> {
        if request.step_key.is_empty() {
            return Some(How::Exited(0));
        }
        let asked = look::question(text)?;
        let mut state = self.world.state();
        let files = &state.host(&self.host).files;
        Some(match asked {
            Question::Kind(path) => {
                let said = match files.get(&path) {
                    Some((_, mode)) => format!("{:o}\n", mode.unwrap_or(0o644)),
                    None => "none\n".to_owned(),
                };
                sink.take(Stream::Out, said.as_bytes());
                How::Exited(0)
            }
            Question::Digest(path) => match files.get(&path) {
                Some((content, _)) => {
                    sink.take(Stream::Out, format!("{}  -\n", Digest::of(content).hex()).as_bytes());
                    How::Exited(0)
                }
                None => How::Exited(1),
            },
        })
    }

    /// The undo of an upload where nothing stood removes the file.
    fn removes(&self, text: &str, answer: &Answer) {
        let path = text.strip_prefix("rm -f -- '").and_then(|rest| rest.strip_suffix('\''));
        if let (Some(path), 0, None) = (path, answer.rc.unwrap_or(0), answer.then) {
            self.world.state().host(&self.host).files.remove(path);
        }
    }

    fn standing(&self, name: &str) -> Option<Attempt> {
        let mut state = self.world.state();
        let host = state.host(&self.host);
        host.catch_up(self.clock.now());
        host.attempts.get(name).cloned()
    }

    fn set(&self, name: &str, stand: Stand) {
        if let Some(attempt) = self.world.state().host(&self.host).attempts.get_mut(name) {
            attempt.state = stand;
        }
    }

    /// Waits for the end of what was started: its own, its limit's, the link's, or the operator's.
    async fn attend(&self, name: &str, limit: Duration, mut cancel: watch::Receiver<bool>, sink: &mut dyn Sink) -> How {
        let deadline = later(self.clock.now(), limit);
        let mut link = self.link.clone();
        loop {
            let Some(attempt) = self.standing(name) else {
                return How::Unknown("the host has forgotten it".to_owned());
            };
            if self.is_lost() {
                return How::Unknown(LOST.to_owned());
            }
            match attempt.state {
                Stand::Running => {}
                Stand::Ended(status) => {
                    deliver(&attempt.answer, sink);
                    return How::Exited(status);
                }
                Stand::Stopped => return How::TimedOut,
                Stand::Lost | Stand::Never => return How::Unknown("it is gone from the host".to_owned()),
            }
            let now = self.clock.now();
            if now >= deadline {
                return self.stop(name, &attempt, How::TimedOut);
            }
            let until = attempt.moment.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                biased;
                Ok(_) = link.wait_for(|lost| *lost != self.mine) => {}
                Ok(_) = cancel.wait_for(|stop| *stop) => return self.stop(name, &attempt, How::Cancelled),
                () = self.clock.sleep(between(now, until)) => {}
            }
        }
    }

    fn stop(&self, name: &str, attempt: &Attempt, how: How) -> How {
        if attempt.answer.then == Some(Fault::NeverReturns) {
            return How::Unknown("it was to be stopped, and processes of it outlive SIGKILL".to_owned());
        }
        self.set(name, Stand::Stopped);
        how
    }

    /// Waits `after`, then says whether a file may be touched. `Ok(false)`: the host says yes and does nothing.
    async fn file(&self, what: String, limit: Duration) -> Result<(Answer, bool), String> {
        if self.is_lost() {
            return Err(LOST.to_owned());
        }
        let answer = match self.ask("", &what) {
            Ok(answer) => answer,
            Err(How::NotSent(why)) => return Err(why),
            Err(_) => return Err("the test has no answer to it".to_owned()),
        };
        let endless = matches!(answer.then, Some(Fault::Hang | Fault::NeverReturns));
        if endless || answer.after > limit {
            self.clock.sleep(limit).await;
            return Err(format!("it did not end within {} s", limit.as_secs()));
        }
        self.clock.sleep(answer.after).await;
        match (answer.then, answer.rc.unwrap_or(0)) {
            (Some(Fault::Reboot), _) => {
                let now = self.clock.now();
                self.world.state().host(&self.host).reboot(answer.away(), now);
                Err(LOST.to_owned())
            }
            (Some(Fault::Lie), _) => Ok((answer, false)),
            (_, 0) => Ok((answer, true)),
            (_, status) => Err(format!("exit code {status}: {}", answer.stderr.trim())),
        }
    }
}

impl Session for Scripted {
    fn is_scripted(&self) -> bool {
        true
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn run<'a>(&'a self, request: Request, sink: &'a mut dyn Sink) -> Pending<'a, How> {
        Box::pin(self.perform(request, sink))
    }

    fn probe<'a>(
        &'a self,
        key: &'a LatchKey,
        boot: &'a str,
        _become_user: Option<&'a str>,
        sink: &'a mut dyn Sink,
    ) -> Pending<'a, Probe> {
        Box::pin(async move {
            let standing = self.standing(&key.0);
            if self.is_lost() {
                return Probe::NoAccess(LOST.to_owned());
            }
            let other_boot = self.world.facts(&self.host).boot != boot;
            let Some(attempt) = standing else {
                if other_boot {
                    return Probe::LostReboot;
                }
                let never = Attempt {
                    answer: nothing(),
                    moment: None,
                    state: Stand::Never,
                };
                self.world
                    .state()
                    .host(&self.host)
                    .attempts
                    .insert(key.0.clone(), never);
                return Probe::Never;
            };
            match attempt.state {
                Stand::Ended(status) => {
                    deliver(&attempt.answer, sink);
                    Probe::Done(status)
                }
                Stand::Running => Probe::Running,
                Stand::Stopped => Probe::LostDied,
                Stand::Lost => Probe::LostReboot,
                Stand::Never => Probe::Never,
            }
        })
    }

    fn follow<'a>(&'a self, key: &'a LatchKey, request: Request, sink: &'a mut dyn Sink) -> Pending<'a, How> {
        Box::pin(self.attend(&key.0, request.timeout, request.cancel, sink))
    }

    fn acknowledge<'a>(&'a self, keys: Vec<LatchKey>) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut state = self.world.state();
            let host = state.host(&self.host);
            keys.iter().for_each(|LatchKey(key)| drop(host.attempts.remove(key)));
        })
    }

    fn put<'a>(&'a self, file: Put) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            let (answer, done) = self.file(format!("upload {}", file.dest), file.timeout).await?;
            let now = self.clock.now();
            if done {
                let mut state = self.world.state();
                let files = &mut state.host(&self.host).files;
                files.insert(file.dest.clone(), (file.content.to_vec(), file.mode));
            }
            if answer.then == Some(Fault::Cut) {
                self.world.leave_for(&self.host, answer.away(), now);
                return Err(LOST.to_owned());
            }
            // What a host says of its own success is not what proves a file.
            match done {
                true => Ok(()),
                false => Err("the file did not arrive whole".to_owned()),
            }
        })
    }

    fn get<'a>(
        &'a self,
        path: &'a str,
        max_bytes: u64,
        _become_user: Option<&'a str>,
        sink: &'a mut dyn Sink,
    ) -> Pending<'a, Result<(), String>> {
        Box::pin(async move {
            let there = self.world.state().host(&self.host).files.get(path).cloned();
            let content = match there {
                Some((content, _)) => content,
                None => {
                    let (answer, _) = self.file(format!("download {path}"), Duration::MAX).await?;
                    if answer.then == Some(Fault::Cut) {
                        self.world.leave_for(&self.host, answer.away(), self.clock.now());
                        return Err(LOST.to_owned());
                    }
                    answer.stdout.into_bytes()
                }
            };
            if content.len() as u64 > max_bytes {
                return Err(format!("it is larger than {max_bytes} bytes"));
            }
            sink.take(Stream::Out, &content);
            Ok(())
        })
    }

    fn lock<'a>(&'a self, _note: &'a LockNote) -> Pending<'a, Result<LockOutcome, String>> {
        let lost = self.is_lost();
        Box::pin(async move {
            match lost {
                false => Ok(LockOutcome::Taken),
                true => Err(LOST.to_owned()),
            }
        })
    }

    fn unlock<'a>(&'a self, _run: &'a RunId) -> Pending<'a, Result<(), String>> {
        let lost = self.is_lost();
        Box::pin(async move { if lost { Err(LOST.to_owned()) } else { Ok(()) } })
    }

    fn leave<'a>(&'a self) -> Pending<'a, Result<(), String>> {
        let lost = self.is_lost();
        Box::pin(async move { if lost { Err(LOST.to_owned()) } else { Ok(()) } })
    }

    fn close<'a>(&'a self) -> Pending<'a, ()> {
        Box::pin(async {})
    }
}

/// The command as the journal has it, and as `match` sees it. Of a script its text and arguments: its name is not sent.
fn words(command: &Command) -> String {
    match command {
        Command::Shell(text) => text.clone(),
        Command::Argv(words) => format!("{words:?}"),
        Command::Script { content, args, .. } => {
            format!("{}\n{}", String::from_utf8_lossy(content), args.join(" "))
        }
    }
}

fn deliver(answer: &Answer, sink: &mut dyn Sink) {
    for (stream, text) in [(Stream::Out, &answer.stdout), (Stream::Err, &answer.stderr)] {
        if !text.is_empty() {
            sink.take(stream, text.as_bytes());
        }
    }
}

fn nothing() -> Answer {
    Answer {
        on: String::new(),
        matches: super::Matches::Login,
        rc: None,
        stdout: String::new(),
        stderr: String::new(),
        status: 0,
        after: Duration::ZERO,
        then: None,
        away: None,
        times: Some(1),
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
