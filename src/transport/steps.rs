//! The life of one step on a lane, from sending to the proven end.
//!
//! A read-only step takes the same lane as a changing one, under a throw-away name: one round trip, streams apart, proven
//! stops; only that the lane runs it itself where it can, without a latch.
//!
//! Owns: limits, stopping, output that comes while a step runs. Must not: start a latched step twice, or call a step stopped
//! that was not seen to be.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::channel::ends;
use super::host::Host;
use super::latch::{Alive, LONGEST_COMMAND, Lane, Pulled, Reply, Runs};
use super::shell::{self, quote};
use super::{Command, How, Probe, Request, Sink, plain};

/// How long a step may go on after TERM, and its rests after KILL.
const GRACE: Duration = Duration::from_secs(5);
/// A step that takes longer than this has its output pulled while it runs.
const FIRST_LOOK: Duration = Duration::from_millis(250);
const LOOK: Duration = Duration::from_millis(500);
/// How long another lane is waited for that the step's end has made needless.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// What a step said must be here so long after its end at the latest, or after its own limit, if that is longer.
pub(super) const REST_OF_OUTPUT: Duration = Duration::from_secs(60);
/// Stopping a step, and being sure of it, takes no longer.
const STOP: Duration = Duration::from_secs(90);

impl Host {
    /// One step on a lane, from its start to its end.
    pub(super) async fn step(&self, key: &str, request: &Request, runs: Runs, sink: &mut dyn Sink) -> How {
        let user = request.become_user.as_deref();
        if *request.cancel.borrow() {
            return How::NotSent("stopped before it was sent".to_owned());
        }
        if self.state().left {
            return How::NotSent("the run has left this host".to_owned());
        }
        // Before anything can wait: whoever drops this future in the middle will probe.
        self.state().sent.insert(key.to_owned(), request.become_user.clone());
        let (_turn, mut lane) = match (self.turn().await, self.lane(user).await) {
            (Ok(turn), Ok(lane)) => (turn, lane),
            (Err(why), _) | (_, Err(why)) => return How::NotSent(why),
        };
        let Some(dir) = lane.hello.dir.clone() else {
            return plain::run(self, request, sink).await;
        };
        let stem = format!("{dir}/{key}");
        let delivered = tokio::time::timeout(request.timeout, self.deliver_step(&mut lane, &stem, request)).await;
        let text = match delivered {
            Ok(Ok(text)) => text,
            Ok(Err(why)) => return How::NotSent(why),
            Err(_) => return How::NotSent("what it needs did not arrive within its limit".to_owned()),
        };
        // Whose processes are to be stopped, where no record says so.
        let by = lane.hello.process.clone().filter(|_| runs == Runs::InLane);
        let runs = if by.is_some() { Runs::InLane } else { Runs::Latched };
        if !lane.send_step(key, &text, runs, &self.worth_removing(user)) {
            return How::NotSent("the connection had ended".to_owned());
        }
        let mut pulled = Pulled::default();
        match self
            .answered(&mut lane, key, request, by.as_deref(), &mut None, &mut pulled, sink)
            .await
        {
            Answered::Reply(reply) => self.ended(lane, key, request, &reply, pulled, sink).await,
            Answered::Over(how) => how,
        }
    }

    /// Waits for the lane's answer to a step. Meanwhile its output is pulled, and it is stopped at its limit or on the operator's
    /// wish. `hold`: nothing that was sent with it is to begin any more, once this turns true.
    #[expect(
        clippy::too_many_arguments,
        reason = "one step in one lane: who, what, until when, and where its output goes"
    )]
    pub(super) async fn answered(
        &self,
        lane: &mut Lane,
        key: &str,
        request: &Request,
        by: Option<&str>,
        hold: &mut Option<watch::Receiver<bool>>,
        pulled: &mut Pulled,
        sink: &mut dyn Sink,
    ) -> Answered {
        let user = request.become_user.as_deref();
        let deadline = ends(request.timeout);
        let mut cancel = request.cancel.clone();
        let mut look = Instant::now() + FIRST_LOOK;
        loop {
            let aside = tokio::select! {
                reply = lane.step_reply() => return reply.into(),
                () = cancelled(&mut cancel) => {
                    return Answered::Over(self.stop(key, user, by, How::Cancelled, *pulled, sink).await);
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Answered::Over(self.stop(key, user, by, How::TimedOut, *pulled, sink).await);
                }
                () = held(hold) => Aside::Fence,
                () = tokio::time::sleep_until(look) => Aside::Look,
            };
            let mut done = pin!(async {
                match aside {
                    Aside::Fence => self.fence(key, user, by).await,
                    Aside::Look => self.look(key, user, pulled, sink).await,
                }
            });
            // A host that is slow there puts off neither the step's end nor its limit.
            tokio::select! {
                () = &mut done => {
                    hold.take_if(|_| aside == Aside::Fence);
                }
                reply = lane.step_reply() => {
                    // What is pulled is missed only where the step said more than its answer holds; and of so much the rest, which
                    // is on its way, would hold up all else on a slow link. A lane that is left in the middle is lost.
                    let is_missed = aside == Aside::Look && reply.as_ref().is_ok_and(|reply| !reply.is_whole());
                    let within = if is_missed { request.timeout.max(REST_OF_OUTPUT) } else { LAST_LOOK };
                    let _ = tokio::time::timeout(within, done).await;
                    return reply.into();
                }
                () = cancelled(&mut cancel) => {}
                () = tokio::time::sleep_until(deadline) => {}
                () = held(hold), if aside == Aside::Look => {}
            }
            if aside == Aside::Look {
                look = Instant::now() + LOOK;
            }
        }
    }

    /// Has nothing begin any more that was sent together with this step.
    async fn fence(&self, key: &str, user: Option<&str>, by: Option<&str>) {
        // If it does not arrive, they run, as they would have a moment ago: they change nothing.
        if let Ok(mut side) = self.lane(user).await
            && side.signal(key, "0", by).await.is_ok()
        {
            self.give_back(user, side);
        }
    }

    /// Gives the sink what a running step has said so far.
    pub(super) async fn look(&self, key: &str, user: Option<&str>, pulled: &mut Pulled, sink: &mut dyn Sink) {
        if let Ok(mut side) = self.lane(user).await
            && side.pull_both(key, pulled, sink).await.is_ok()
        {
            self.give_back(user, side);
        }
    }

    /// The lane has answered: the rest of the output, and what the answer means.
    pub(super) async fn ended(
        &self,
        mut lane: Lane,
        key: &str,
        request: &Request,
        reply: &Reply,
        mut pulled: Pulled,
        sink: &mut dyn Sink,
    ) -> How {
        let user = request.become_user.as_deref();
        if let Some(status) = reply.status {
            let within = request.timeout.max(REST_OF_OUTPUT);
            let rest = async {
                if reply.give(&mut pulled, sink) {
                    lane.pull_both(key, &mut pulled, sink).await?;
                }
                lane.count_rest(key, &pulled, sink).await
            };
            if let Err(why) = in_time(within, rest).await {
                return How::Unknown(unheard(status, &why));
            }
            self.leaves(user, key, pulled.bytes());
            self.give_back(user, lane);
            return How::Exited(status);
        }
        // No status came with the answer: somebody else runs this key, or it was fenced, or its recorder was killed.
        self.watch(lane, key, request, pulled, sink).await
    }

    /// Follows an attempt that somebody else started.
    pub(super) async fn watch(
        &self,
        mut lane: Lane,
        key: &str,
        request: &Request,
        mut pulled: Pulled,
        sink: &mut dyn Sink,
    ) -> How {
        let user = request.become_user.as_deref();
        let deadline = ends(request.timeout);
        let mut cancel = request.cancel.clone();
        let mut wait = Duration::from_millis(50);
        loop {
            let stands = match lane.probe(key, &self.facts.boot).await {
                Ok(stands) => stands,
                Err(why) => return How::Unknown(why),
            };
            let within = request.timeout.max(REST_OF_OUTPUT);
            if matches!(stands, Probe::Done(_) | Probe::Running)
                && let Err(why) = in_time(within, lane.pull_both(key, &mut pulled, sink)).await
            {
                return How::Unknown(format!("its output did not come: {why}"));
            }
            match stands {
                Probe::Running => {}
                Probe::Done(status) => {
                    if let Err(why) = lane.count_rest(key, &pulled, sink).await {
                        return How::Unknown(format!("its output did not come: {why}"));
                    }
                    self.leaves(user, key, pulled.bytes());
                    self.give_back(user, lane);
                    return How::Exited(status);
                }
                other => return meaning(&other),
            }
            tokio::select! {
                () = cancelled(&mut cancel) => return self.stop(key, user, None, How::Cancelled, pulled, sink).await,
                () = tokio::time::sleep_until(deadline) => {
                    return self.stop(key, user, None, How::TimedOut, pulled, sink).await;
                }
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(LOOK),
            }
        }
    }

    /// Stops a step and proves it: TERM, then KILL, to all of it, by the same user. `how` is the answer if that is proven. `by`:
    /// the lane that runs it without a record.
    pub(super) async fn stop(
        &self,
        key: &str,
        user: Option<&str>,
        by: Option<&str>,
        how: How,
        mut pulled: Pulled,
        sink: &mut dyn Sink,
    ) -> How {
        let stopped = async {
            let mut side = self.lane(user).await?;
            let stands = match by {
                Some(_) => Probe::Running,
                None => side.probe(key, &self.facts.boot).await?,
            };
            let how = match stands {
                Probe::Never => return Ok((side, how)),
                Probe::Done(status) => How::Exited(status),
                Probe::Running | Probe::Orphan => match kill(&mut side, key, by).await? {
                    Some(status) => How::Exited(status),
                    None => how,
                },
                other => meaning(&other),
            };
            side.pull_both(key, &mut pulled, sink).await?;
            side.count_rest(key, &pulled, sink).await?;
            Ok::<_, String>((side, how))
        };
        match in_time(STOP, stopped).await {
            Ok((side, how)) => {
                self.leaves(user, key, pulled.bytes());
                self.give_back(user, side);
                how
            }
            Err(why) => How::Unknown(format!("it was to be stopped, and may still run: {why}")),
        }
    }

    /// Sends what a step needs as files beside its record, and gives the command's text.
    pub(super) async fn deliver_step(&self, lane: &mut Lane, stem: &str, request: &Request) -> Result<String, String> {
        let user = request.become_user.as_deref();
        let text = shell::text(request, stem)?;
        if let Some(stdin) = &request.stdin {
            self.deliver(lane, user, &format!("{stem}.i"), stdin.expose().as_bytes())
                .await?;
        }
        let stem_x = format!("{stem}.x");
        if let Command::Script { content, .. } = &request.command {
            self.deliver(lane, user, &stem_x, content).await?;
        } else if text.len() > LONGEST_COMMAND {
            // The environment is in it, perhaps with secrets: the shell that reads it has it open.
            let script = quote(&stem_x);
            let text = format!("rm -f {script}\n{text}");
            self.deliver(lane, user, &stem_x, text.as_bytes()).await?;
            return Ok(format!(". {script}"));
        }
        if text.len() > LONGEST_COMMAND {
            return Err("the environment and arguments of a script are limited to 64 KiB".to_owned());
        }
        Ok(text)
    }
}

/// No host holds its line by answering slowly for ever.
pub(super) async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(format!("not within {} s", limit.as_secs())),
    }
}

/// TERM, then KILL, until nothing of the step lives; the status, if it had ended by itself before.
async fn kill(side: &mut Lane, key: &str, by: Option<&str>) -> Result<Option<i32>, String> {
    for signal in ["TERM", "KILL"] {
        let since = Instant::now();
        let mut now = side.signal(key, signal, by).await?;
        loop {
            match now {
                Alive::Ended(status) => return Ok(Some(status)),
                Alive::None => return Ok(None),
                Alive::Some if since.elapsed() > GRACE => break,
                Alive::Some => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            // What is born between the look and the signal is met by the next one.
            now = side
                .signal(key, if signal == "KILL" { "KILL" } else { "0" }, by)
                .await?;
        }
    }
    Err("processes of it outlive SIGKILL".to_owned())
}

/// What is told of a step whose end is known, and its output is not.
pub(super) fn unheard(status: i32, why: &str) -> String {
    format!("it ended with status {status}, its output did not come: {why}")
}

/// What a probe's answer, other than running or done, says about a step's end.
fn meaning(stands: &Probe) -> How {
    How::Unknown(match stands {
        Probe::Never => return How::NotSent("it never began, and cannot any more".to_owned()),
        Probe::Done(status) => return How::Exited(*status),
        Probe::Running => "it still runs".to_owned(),
        Probe::Orphan => "its recorder was killed, processes of it still run".to_owned(),
        Probe::LostReboot => "the host was rebooted before its end was on record".to_owned(),
        Probe::LostDied => "it was killed before its end was on record".to_owned(),
        Probe::NoAccess(why) => why.clone(),
    })
}

/// What another lane is for while one runs a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aside {
    Fence,
    Look,
}

/// What came of waiting for a step in a lane.
pub(super) enum Answered {
    /// The lane's answer.
    Reply(Reply),
    /// None will be waited for.
    Over(How),
}

impl From<Result<Reply, String>> for Answered {
    fn from(reply: Result<Reply, String>) -> Self {
        match reply {
            Ok(reply) => Self::Reply(reply),
            Err(why) => Self::Over(How::Unknown(why)),
        }
    }
}

/// Ends when what was sent behind a step is not to begin any more.
async fn held(hold: &mut Option<watch::Receiver<bool>>) {
    match hold {
        Some(hold) => cancelled(hold).await,
        None => std::future::pending().await,
    }
}

/// Ends when the operator wants running commands stopped; never, if nobody can want it any more.
pub(super) async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|wanted| *wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}
