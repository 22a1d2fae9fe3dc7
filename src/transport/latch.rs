//! The latched step: started at most once on its host, its end known after a cut.
//!
//! ```text
//! open    exec: echo MARKER; exec SHELL       nothing is sent before MARKER is back
//!         latch.sh, _open NONCE SHELL RUN     → NONCE L made boot lane directory
//! step    _s NONCE KEY 'command' NONCE        → first 64 KiB of stdout, NONCE O, of stderr, NONCE E status
//! read    _r NONCE KEY 'command' NONCE        → the same, of a step that changes nothing: no latch, the lane runs it itself
//!         several of these in one write      → the same for each; E not: it was not run
//! stream  _b NONCE KEY 'command' NONCE        → NONCE B; then for each line NONCE up to 896 KiB of stdout, NONCE G; `end` → as read
//! pull    _g NONCE KEY o|e skip count         → blocks at exact offsets, NONCE G
//! probe   _q NONCE KEY BOOT                   → NONCE Q answer (poisons what never began)
//! stop    _k NONCE KEY TERM|KILL|0 [lane]     → NONCE K ended n | alive | none
//! end     _a NONCE keys…, _z NONCE            → NONCE A, NONCE Z
//! ```
//!
//! NONCE is 128 random bits that no step can see, so a frame is found anywhere in a step's output. Whoever will start the
//! command first creates `KEY.s` with O_EXCL: that is the latch (`latch.sh`, runner). Output goes to files on the host, and
//! we pull it, so a host cannot flood us and a step that leaves a daemon behind returns at once.
//!
//! Owns: the lane and its frames, one request each. Must not: know SSH, decide what follows from an answer.

use std::time::Duration;

use regex::bytes::Regex;

use super::channel::{Channel, Channels, Event};
use super::shell::{self, quote};
use super::{KEPT, Privilege, Probe, Sink, Stream};
use crate::id::RunId;

/// The far half.
pub(super) const FUNCTIONS: &str = include_str!("latch.sh");

/// Longer commands are sent as a file with a digest: no shell parses them fast, and one environment string has a limit.
pub(super) const LONGEST_COMMAND: usize = 64 << 10;

const BLOCK: u64 = 64 << 10;
const BLOCKS_PER_PULL: u64 = 16;
/// No answer of the protocol is longer; a host that says more in one answer is not one of ours.
const LONGEST_ANSWER: usize = 2 << 20;
/// Of the run's directory: `PATH_MAX`.
const LONGEST_PATH: usize = 4096;
/// What may wait in a lane that is at work, and in one that nobody has asked anything.
const WAITING: usize = 2 * LONGEST_ANSWER;
const WAITING_IDLE: usize = 64 << 10;
/// Limit of an answer that waits for nothing but the host itself.
pub(super) const ANSWER: Duration = Duration::from_secs(30);
/// An answer that is on its way may take longer, as long as so many bytes a second of it come.
pub(super) const SLOWEST: u64 = 1 << 10;

/// One persistent `sh` of one user on a host.
pub(super) struct Lane {
    channel: Channel,
    nonce: String,
    /// Finds the nonce. Answers are up to a mebibyte, and a plain search through them would cost more than they do.
    finder: Regex,
    buffer: Vec<u8>,
    searched: usize,
    /// The first half of a step's answer.
    out: Option<Vec<u8>>,
    dead: bool,
    /// What `_open` said.
    pub(super) hello: Hello,
}

/// What is known of a host already when it is asked for its facts.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// As whom we are logged in.
    pub(super) user: Option<&'a str>,
    /// Ask what kind of machine it is: a program has to be started for it.
    pub(super) virtual_: bool,
}

/// What a lane's opening told.
#[derive(Clone, Debug, Default)]
pub(super) struct Hello {
    /// The run's directory for this user; `None`: no place, no latch.
    pub(super) dir: Option<String>,
    /// True if the directory was made by this opening.
    pub(super) made: bool,
    /// Boot identity; empty if the host has none.
    pub(super) boot: String,
    /// The lane's own process and when it began, as `_k` wants them, if all it starts by itself can be found and stopped.
    pub(super) process: Option<String>,
    /// Lines `name=value`.
    pub(super) facts: String,
}

/// How far the two streams of a step have been given to the sink.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulled {
    out: u64,
    err: u64,
}

/// What came back for a step.
pub(super) struct Reply {
    out: Vec<u8>,
    err: Vec<u8>,
    /// The status on record; `None`: ask (`_q`).
    pub(super) status: Option<i32>,
    /// It was not run, and will not be: see [`Lane::send_reads`].
    pub(super) passed_over: bool,
}

/// How a step is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// At most once under its key, in a session of its own, its end on record.
    Latched,
    /// By the lane: for what changes nothing, and only where [`Hello::process`] is known.
    InLane,
}

/// What a look at a step's processes said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alive {
    /// It had ended by itself, with this status, before the first signal.
    Ended(i32),
    /// Something of it lives.
    Some,
    /// Nothing of it lives.
    None,
}

impl Lane {
    /// Opens a lane: shell, functions, directory, and facts if they are wanted, in the fewest round trips.
    pub(super) async fn open(
        channels: &dyn Channels,
        privilege: &Privilege,
        user: Option<&str>,
        run: Option<&RunId>,
        facts: Option<About<'_>>,
        limit: Duration,
    ) -> Result<Self, String> {
        let shell = &privilege.shell;
        // The login shell leads a session already. What sudo starts does not, and `setsid -w` stays in front of what it starts.
        let inner = match user {
            None => format!("exec {shell}"),
            Some(_) => {
                let lane = format!("setsid -w true 2>/dev/null && exec setsid -w {shell}; exec {shell}");
                // At a terminal a shell would take itself for a person's, and its own complaints would stand among its answers.
                format!("if [ -t 0 ]; then cat | {{ {lane}; }} 2>/dev/null | cat; exit; fi; {lane}")
            }
        };
        let channel = shell::open(channels, privilege, user, &inner, limit).await?;
        let nonce = shell::nonce()?;
        let mut text = format!(
            "{FUNCTIONS}\n_open {nonce} {} {}\n",
            quote(&privilege.shell),
            run.map_or("", RunId::as_str)
        );
        if let Some(About { user, virtual_ }) = facts {
            let user = quote(user.unwrap_or_default());
            let virtual_ = if virtual_ { "virtual" } else { "" };
            text.push_str(&format!("_facts {nonce} {user} {virtual_}\n"));
        }
        channel.send(text);
        let finder = Regex::new(&nonce).map_err(|e| format!("the nonce is odd: {e}"))?;
        let hello = Hello::default();
        channel.expect_little(WAITING);
        let mut lane = Self {
            channel,
            nonce,
            finder,
            buffer: Vec::new(),
            searched: 0,
            out: None,
            dead: false,
            hello,
        };
        let (_, words) = lane.answer("L", limit).await?;
        let mut words = words.splitn(4, ' ');
        let made = words.next().unwrap_or_default().to_owned();
        let boot = shell::few(words.next().unwrap_or_default().trim_matches('-'));
        let process = process(words.next().unwrap_or_default());
        let dir = words.next().unwrap_or_default().to_owned();
        if dir.len() > LONGEST_PATH {
            return Err("the host names a directory that no host has".to_owned());
        }
        let facts = match facts {
            Some(_) => lane.answer("F", limit).await?.0,
            None => Vec::new(),
        };
        lane.hello = Hello {
            dir: (made != "none").then_some(dir),
            made: made == "new",
            boot,
            process,
            facts: String::from_utf8_lossy(&facts).into_owned(),
        };
        Ok(lane)
    }

    /// Nothing is asked for a while.
    pub(super) fn rest(&self) {
        self.channel.expect_little(WAITING_IDLE);
    }

    /// It is asked again.
    pub(super) fn wake(&self) {
        self.channel.expect_little(WAITING);
    }

    /// False once the lane can take no further request.
    pub(super) fn is_usable(&mut self) -> bool {
        while !self.dead
            && let Some(event) = self.channel.ready()
        {
            self.absorb(event);
        }
        // Anything said between two requests is not an answer of ours.
        self.dead = self.dead || !self.buffer.is_empty();
        !self.dead
    }

    /// Sends a step, and in front of it which attempts are settled. From here on it may have begun; false: nothing was sent.
    pub(super) fn send_step(&mut self, key: &str, command: &str, runs: Runs, settled: &[String]) -> bool {
        let n = &self.nonce;
        let function = match runs {
            Runs::Latched => "_s",
            Runs::InLane => "_r",
        };
        let mut line = acknowledging(n, settled);
        line.push_str(&format!("{function} {n} {key} {} {n}\n", quote(command)));
        self.channel.send(line)
    }

    /// Sends steps that change nothing, in one write: each is run if the one before it ended with 0 and the fence does not
    /// stand. Only where [`Hello::process`] is known.
    pub(super) fn send_reads(&mut self, steps: &[(String, String)], fence: &str, settled: &[String]) -> bool {
        let n = &self.nonce;
        let mut lines = acknowledging(n, settled);
        for (at, (key, command)) in steps.iter().enumerate() {
            let fence = if at == 0 { "" } else { fence };
            lines.push_str(&format!("_r {n} {key} {} {n} {fence}\n", quote(command)));
        }
        self.channel.send(lines)
    }

    /// Sends a step that changes nothing, whose output waits to be asked for. Only where [`Hello::process`] is known.
    pub(super) fn send_stream(&mut self, key: &str, command: &str, settled: &[String]) -> bool {
        let n = &self.nonce;
        let mut line = acknowledging(n, settled);
        line.push_str(&format!("_b {n} {key} {} {n}\n", quote(command)));
        self.channel.send(line)
    }

    /// It runs; from here on [`Lane::ask_piece`] may be sent, and not before: a shell may have read ahead what is meant for it.
    pub(super) async fn begun(&mut self) -> Result<(), String> {
        self.frame("B").await.map(|_| ())
    }

    /// Asks for the next piece.
    pub(super) fn ask_piece(&self) {
        // A lane that has ended says so when its answer is waited for.
        let _ = self.channel.send(format!("{}\n", self.nonce));
    }

    /// A piece of at most 896 KiB; empty: there is nothing more. Safe to drop in the middle and call again.
    pub(super) async fn piece(&mut self) -> Result<Vec<u8>, String> {
        Ok(self.frame("G").await?.0)
    }

    /// Nothing more is asked for: what is still to come is not wanted. The answer is that of [`Lane::step_reply`].
    pub(super) fn end_stream(&self) {
        let _ = self.channel.send("end\n");
    }

    /// Waits for the answer to [`Lane::send_step`], or the next one to [`Lane::send_reads`]. Safe to drop in the middle and call again.
    pub(super) async fn step_reply(&mut self) -> Result<Reply, String> {
        if self.out.is_none() {
            self.out = Some(self.frame("O").await?.0);
        }
        let (err, word) = self.frame("E").await?;
        Ok(Reply {
            out: self.out.take().unwrap_or_default(),
            err,
            status: status(&word),
            passed_over: word == "not",
        })
    }

    /// Gives the sink everything of both streams that is there and that it has not.
    pub(super) async fn pull_both(
        &mut self,
        key: &str,
        pulled: &mut Pulled,
        sink: &mut dyn Sink,
    ) -> Result<(), String> {
        self.pull(key, Stream::Out, &mut pulled.out, sink).await?;
        self.pull(key, Stream::Err, &mut pulled.err, sink).await
    }

    async fn pull(&mut self, key: &str, stream: Stream, at: &mut u64, sink: &mut dyn Sink) -> Result<(), String> {
        let name = match stream {
            Stream::Out => "o",
            Stream::Err => "e",
        };
        while *at < KEPT {
            let first = *at / BLOCK;
            let args = format!("{key} {name} {first} {BLOCKS_PER_PULL}");
            let (bytes, _) = self.ask("_g", &args, "G").await?;
            let known = usize::try_from(*at - first * BLOCK).unwrap_or(usize::MAX);
            let left = usize::try_from(KEPT - *at).unwrap_or(usize::MAX);
            let new = bytes.get(known..).unwrap_or_default();
            let new = new.get(..left).unwrap_or(new);
            if !new.is_empty() {
                sink.take(stream, new);
                *at += new.len() as u64;
            }
            if (bytes.len() as u64) < BLOCK * BLOCKS_PER_PULL {
                break;
            }
        }
        Ok(())
    }

    /// Past the cap only the size is learnt.
    pub(super) async fn count_rest(&mut self, key: &str, pulled: &Pulled, sink: &mut dyn Sink) -> Result<(), String> {
        if pulled.out < KEPT && pulled.err < KEPT {
            return Ok(());
        }
        let (_, sizes) = self.ask("_w", key, "W").await?;
        let mut sizes = sizes.split(' ').map(|s| s.parse::<u64>().unwrap_or(0));
        for (stream, at) in [(Stream::Out, pulled.out), (Stream::Err, pulled.err)] {
            let more = sizes.next().unwrap_or(0).saturating_sub(at);
            if more > 0 {
                sink.skip(stream, more);
            }
        }
        Ok(())
    }

    /// Asks how an attempt stands, and makes sure that one that never began never will.
    pub(super) async fn probe(&mut self, key: &str, boot: &str) -> Result<Probe, String> {
        let boot = if boot.is_empty() { "-" } else { boot };
        let (_, answer) = self.ask("_q", &format!("{key} {}", quote(boot)), "Q").await?;
        Ok(match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("DONE", word) => {
                Probe::Done(status(word).ok_or_else(|| format!("the record says {:?}", shell::few(word)))?)
            }
            ("RUNNING", _) => Probe::Running,
            ("NEVER" | "CLAIMED", _) => Probe::Never,
            ("ORPHAN", _) => Probe::Orphan,
            ("LOST-REBOOT", _) => Probe::LostReboot,
            ("LOST-DIED", _) => Probe::LostDied,
            _ => Probe::NoAccess(format!("the run's directory cannot be used ({})", shell::few(&answer))),
        })
    }

    /// Sends a signal (`TERM`, `KILL`, or `0`: only look) to all of a step; `lane`: of one that another lane runs itself.
    pub(super) async fn signal(&mut self, key: &str, signal: &str, lane: Option<&str>) -> Result<Alive, String> {
        let args = format!("{key} {signal} {}", lane.unwrap_or_default());
        let (_, answer) = self.ask("_k", &args, "K").await?;
        Ok(match answer.split_once(' ') {
            Some(("ended", word)) => status(word).map_or(Alive::None, Alive::Ended),
            _ if answer == "none" => Alive::None,
            _ => Alive::Some,
        })
    }

    /// Removes the traces of settled attempts.
    pub(super) async fn acknowledge(&mut self, keys: &[String]) -> Result<(), String> {
        self.ask("_a", &keys.join(" "), "A").await.map(|_| ())
    }

    /// Removes the run's directory.
    pub(super) async fn end(&mut self) -> Result<(), String> {
        let (_, answer) = self.ask("_z", "", "Z").await?;
        if answer == "gone" {
            Ok(())
        } else {
            Err("the run's directory could not be removed".to_owned())
        }
    }

    /// Runs a text of ours in the lane: its output, and its status.
    pub(super) async fn script(&mut self, text: &str, limit: Duration) -> Result<(Vec<u8>, i32), String> {
        let line = format!("_x {n} {} {n}\n", quote(text), n = self.nonce);
        self.channel.send(line);
        let (output, status) = self.answer("X", limit).await?;
        Ok((output, status.parse().unwrap_or(-1)))
    }

    async fn ask(&mut self, function: &str, args: &str, frame: &str) -> Result<(Vec<u8>, String), String> {
        let line = format!("{function} {} {args}\n", self.nonce);
        self.channel.send(line);
        self.answer(frame, ANSWER).await
    }

    async fn answer(&mut self, frame: &str, limit: Duration) -> Result<(Vec<u8>, String), String> {
        let enough = usize::try_from(limit.as_secs() * SLOWEST).unwrap_or(usize::MAX).max(1);
        loop {
            let had = self.buffer.len();
            match tokio::time::timeout(limit, self.frame(frame)).await {
                Ok(answer) => return answer,
                Err(_) if self.buffer.len().saturating_sub(had) >= enough => {}
                Err(_) => {
                    self.dead = true;
                    return Err(format!("no answer within {} s", limit.as_secs()));
                }
            }
        }
    }

    /// Waits for `NONCE NAME[ words]`, and gives what came before it, and the words. Safe to drop in the middle.
    async fn frame(&mut self, name: &str) -> Result<(Vec<u8>, String), String> {
        loop {
            if let Some((before, line)) = self.take_frame() {
                let (found, words) = line.split_once(' ').unwrap_or((&line, ""));
                if found == name {
                    return Ok((before, words.to_owned()));
                }
                self.dead = true;
                let found = shell::few(found);
                return Err(format!("the host answered {found:?} where {name:?} was due"));
            }
            if self.dead {
                return Err("the lane has ended".to_owned());
            }
            let event = self.channel.next().await;
            if let Some(why) = self.absorb(event) {
                return Err(why);
            }
        }
    }

    /// What came before the next frame, and the frame's line without the nonce.
    fn take_frame(&mut self) -> Option<(Vec<u8>, String)> {
        let from = self.searched.saturating_sub(self.nonce.len());
        let Some(found) = self.finder.find_at(&self.buffer, from) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.searched = found.start();
        let (at, after) = (found.start(), found.end());
        let end = self.buffer.get(after..)?.iter().position(|b| *b == b'\n')?;
        let line = String::from_utf8_lossy(self.buffer.get(after..after + end)?)
            .trim()
            .to_owned();
        let rest = self.buffer.split_off(after + end + 1);
        let mut before = std::mem::replace(&mut self.buffer, rest);
        before.truncate(at);
        self.searched = 0;
        Some((before, line))
    }

    /// Takes an event in; says why if the lane is over.
    fn absorb(&mut self, event: Event) -> Option<String> {
        let why = match event {
            Event::Bytes(Stream::Out, bytes) => {
                self.buffer.extend_from_slice(&bytes);
                (self.buffer.len() > LONGEST_ANSWER).then(|| "the host said more than was asked for".to_owned())
            }
            // The lane's own standard error carries only the shell's diagnostics.
            Event::Bytes(Stream::Err, _) | Event::Dropped(Stream::Err, _) => None,
            Event::Dropped(Stream::Out, _) => Some("the host said more than was asked for".to_owned()),
            Event::Exit(status) => Some(format!("the shell on the host ended with status {status}")),
            Event::Gone(why) => Some(why),
        };
        self.dead = self.dead || why.is_some();
        why
    }
}

/// The line that removes the traces of settled attempts, if there are any.
fn acknowledging(nonce: &str, settled: &[String]) -> String {
    if settled.is_empty() {
        return String::new();
    }
    format!("_a {nonce} {} >/dev/null\n", settled.join(" "))
}

/// `PID/BEGAN` as two words, if it is that.
fn process(word: &str) -> Option<String> {
    let (pid, began) = word.split_once('/')?;
    let number = |word: &str| word.parse::<u64>().ok();
    Some(format!("{} {}", number(pid)?, number(began)?))
}

/// A status as it is on record. For the signal n most shells say 128+n, ksh93 says 256+n and yash 384+n; none says more than
/// 255 for anything else.
fn status(word: &str) -> Option<i32> {
    match word.parse().ok()? {
        n @ 384.. => Some(n - 256),
        n @ 256.. => Some(n - 128),
        n => Some(n),
    }
}

impl Reply {
    /// True if this holds all that the step said.
    pub(super) fn is_whole(&self) -> bool {
        [&self.out, &self.err].iter().all(|said| (said.len() as u64) < BLOCK)
    }

    /// Gives the sink what this brought beyond what was pulled before; true: there may be more, to be pulled.
    pub(super) fn give(&self, pulled: &mut Pulled, sink: &mut dyn Sink) -> bool {
        for (stream, inline) in [(Stream::Out, &self.out), (Stream::Err, &self.err)] {
            let at = pulled.at(stream);
            let have = usize::try_from(*at).unwrap_or(usize::MAX);
            if let Some(new) = inline.get(have..).filter(|new| !new.is_empty()) {
                sink.take(stream, new);
                *at = inline.len() as u64;
            }
        }
        !self.is_whole()
    }
}

impl Pulled {
    /// Of both streams together.
    pub(super) fn bytes(&self) -> u64 {
        self.out + self.err
    }

    fn at(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }
}
