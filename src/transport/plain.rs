//! A command without a latch: on a host that has no place for one (*attached*).
//!
//! Owns: one command on one fresh channel, its text on standard input and never on a command line. Must not: promise what
//! only a record on the host can: after a lost link the answer is [`How::Unknown`].

use super::channel::{Channel, Event, ends};
use super::host::Host;
use super::latch::{ANSWER, FUNCTIONS, LONGEST_COMMAND};
use super::shell::{self, quote};
use super::steps::cancelled;
use super::{Command, How, KEPT, Request, Sink, Stream};

/// Behind [`FUNCTIONS`], of which it uses `_sid`. Runs `$2` in a session of its own whose number is told first (0: the host cannot make one); the last word proves that the
/// text came whole.
const RUN: &str = r#"
_p() {
  [ "$3" = "$1" ] || exit 125
  _sid
  ( _n=$1 _c=$2 _g=$_sid $_sid $_sh -c "$_R" ) </dev/null
  exit $?
}
_R='[ "$_g" ] && _g=$$
echo "$_n P ${_g:-0}"
_nl="
"
eval "unset _n _nl _g _c$_nl$_c"'
"#;

/// Runs a request to its end, its limit, or the operator's wish.
pub(super) async fn run(host: &Host, request: &Request, sink: &mut dyn Sink) -> How {
    if *request.cancel.borrow() {
        return How::NotSent("stopped before it was sent".to_owned());
    }
    let prepared = async {
        if request.stdin.is_some() || matches!(request.command, Command::Script { .. }) {
            return Err("the host has no writable place, which scripts and standard input need".to_owned());
        }
        let text = shell::text(request, "")?;
        if text.len() > LONGEST_COMMAND {
            return Err("the host has no writable place, which a command above 64 KiB needs".to_owned());
        }
        let user = request.become_user.as_deref();
        let channel = shell::open(
            host.channels.as_ref(),
            &host.privilege,
            user,
            &format!("exec {}", host.privilege.shell),
            host.limit,
        )
        .await?;
        if channel.is_terminal {
            return Err("the host has no writable place, which becoming somebody at a terminal needs".to_owned());
        }
        Ok((channel, shell::nonce()?, text))
    };
    let (mut channel, nonce, text) = match prepared.await {
        Ok(prepared) => prepared,
        Err(why) => return How::NotSent(why),
    };
    let deadline = ends(request.timeout);
    if !channel.send(format!(
        "{FUNCTIONS}\n_sh={}\n{RUN}_p {nonce} {} {nonce}\n",
        quote(&host.privilege.shell),
        quote(&text)
    )) {
        return How::NotSent("the connection had ended".to_owned());
    }
    channel.end_input();
    let mut taken = Taken {
        most: most(request),
        mark: format!("{nonce} P ").into_bytes(),
        ..Taken::default()
    };
    let mut cancel = request.cancel.clone();
    loop {
        let event = tokio::select! {
            event = channel.next() => event,
            () = cancelled(&mut cancel) => return stop(host, request, channel, &mut taken, How::Cancelled, sink).await,
            () = tokio::time::sleep_until(deadline) => {
                return stop(host, request, channel, &mut taken, How::TimedOut, sink).await;
            }
        };
        match event {
            Event::Exit(status) => return How::Exited(status),
            Event::Gone(why) => return How::Unknown(why),
            other => taken.event(other, sink),
        }
    }
}

/// TERM, then KILL, to the command's session, over a channel of its own.
async fn stop(
    host: &Host,
    request: &Request,
    mut channel: Channel,
    taken: &mut Taken,
    how: How,
    sink: &mut dyn Sink,
) -> How {
    let lost = |why: &str| How::Unknown(format!("it was to be stopped, and may still run: {why}"));
    let Some(pid) = taken.session.filter(|pid| *pid > 0) else {
        return lost("the host did not start it in a session of its own");
    };
    let user = request.become_user.as_deref();
    let side = shell::open(
        host.channels.as_ref(),
        &host.privilege,
        user,
        &format!("exec {}", host.privilege.shell),
        host.limit,
    )
    .await;
    let mut side = match side {
        Ok(side) => side,
        Err(why) => return lost(&why),
    };
    let wait = "i=0; while [ $i -lt 50 ] && [ \"$(_left -)\" ]; do sleep 0.1; i=$((i+1)); done";
    let each = |signal: &str| format!("for _y in $(_left -); do kill -{signal} $_y; done 2>/dev/null; {wait}");
    let ask = "if [ \"$(_left -)\" ]; then exit 1; else exit 0; fi";
    side.send(format!(
        "{FUNCTIONS}\n_kp={pid}\n{}\n{}\n{ask}\n",
        each("TERM"),
        each("KILL")
    ));
    side.end_input();
    let status = loop {
        match side.next_within(ANSWER).await {
            Event::Exit(status) => break status,
            Event::Gone(why) => return lost(&why),
            _ => {}
        }
    };
    while let Some(event) = channel.ready() {
        match event {
            Event::Exit(_) | Event::Gone(_) => break,
            other => taken.event(other, sink),
        }
    }
    if status == 0 {
        how
    } else {
        lost("processes of it outlive SIGKILL")
    }
}

/// So much of a stream is given to the sink.
fn most(request: &Request) -> u64 {
    if request.streams { u64::MAX } else { KEPT }
}

/// What has been given to the sink, and the line in front of it.
#[derive(Default)]
pub(super) struct Taken {
    most: u64,
    mark: Vec<u8>,
    head: Vec<u8>,
    session: Option<u32>,
    out: u64,
    err: u64,
}

impl Taken {
    /// Where no line of ours stands in front.
    pub(super) fn from_the_start(request: &Request) -> Self {
        Self {
            most: most(request),
            session: Some(0),
            ..Self::default()
        }
    }

    /// Gives what came to the sink.
    pub(super) fn event(&mut self, event: Event, sink: &mut dyn Sink) {
        match event {
            Event::Bytes(Stream::Out, bytes) if self.session.is_none() => {
                self.head.extend_from_slice(&bytes);
                let line = self.head.iter().position(|b| *b == b'\n');
                let number = line.and_then(|end| self.head.get(..end)?.strip_prefix(self.mark.as_slice()));
                self.session = number.and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
                if let (Some(_), Some(end)) = (self.session, line) {
                    let rest = self.head.split_off(end + 1);
                    self.give(Stream::Out, &rest, sink);
                }
            }
            Event::Bytes(stream, bytes) => self.give(stream, &bytes, sink),
            Event::Dropped(stream, bytes) => sink.skip(stream, bytes),
            Event::Exit(_) | Event::Gone(_) => {}
        }
    }

    fn give(&mut self, stream: Stream, bytes: &[u8], sink: &mut dyn Sink) {
        let at = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        let room = usize::try_from(self.most.saturating_sub(*at))
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (keep, drop) = bytes.split_at(room);
        if !keep.is_empty() {
            sink.take(stream, keep);
        }
        if !drop.is_empty() {
            sink.skip(stream, drop.len() as u64);
        }
        *at += keep.len() as u64;
    }
}
