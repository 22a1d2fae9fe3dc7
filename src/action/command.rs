//! `run` and `script`: a command on a host, and what to do when the link is lost under it.
//!
//! Owns: the difference between read-only and latched commands after a cut. Must not: start a changing command twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Done, End, Hands, Job, Told};
use crate::transport::{Command, Each, How, Probe, Request, Session, Sink};

/// A host is asked for at least so long how a cut-off step ended, however little of its limit is left.
const ASK_AT_LEAST: Duration = Duration::from_secs(20);

/// So often in a row nothing is sent for the same reason, each time after a new login.
const MOST_UNSENT: u32 = 3;

/// Runs it to its end.
pub(super) async fn run(job: &Job, command: &Command, hands: &Hands, sink: &mut dyn Sink) -> End {
    let began = Instant::now();
    // Why nothing was sent the last time, and how often in a row.
    let mut unsent = (String::new(), 0);
    loop {
        let session = match hands.session(&job.on).await {
            Ok(session) => session,
            Err(error) => return End::Unreachable(error.advised()),
        };
        let left = job.timeout.saturating_sub(began.elapsed());
        let how = session.run(request(job, command, left), sink).await;
        match how {
            How::Exited(status) => return End::Exited(status),
            How::TimedOut => return End::TimedOut,
            How::Cancelled => return End::Cancelled,
            How::NotSent(why) => {
                // The session may have died since it was last used. Nothing was sent, so a new login is allowed; what is said of
                // a new one too is no matter of the link, as a password that is refused.
                hands.lost(&job.on, &session).await;
                unsent = match unsent {
                    (before, times) if before == why => (why.clone(), times + 1),
                    _ => (why.clone(), 1),
                };
                if unsent.1 >= MOST_UNSENT {
                    return End::Unreachable(why);
                }
                if let Err(error) = hands.reopen(&job.on, left.min(ASK_AT_LEAST)).await {
                    return End::Unreachable(format!("{why}; {}", error.advised()));
                }
                if began.elapsed() >= job.timeout {
                    return End::Unreachable(why);
                }
            }
            How::Unknown(why) if job.latch.is_some() => {
                hands.lost(&job.on, &session).await;
                return ask(job, hands, sink, began, &why).await;
            }
            How::Unknown(why) => {
                hands.lost(&job.on, &session).await;
                if job.changes {
                    return End::Unknown { why, stopped: false };
                }
                // Read-only: it is simply run again, within its limit.
                sink.restart();
                if began.elapsed() >= job.timeout || hands.reopen(&job.on, job.timeout - began.elapsed()).await.is_err()
                {
                    return End::Unreachable(format!("the link was lost while it ran: {why}"));
                }
            }
        }
    }
}

/// [`super::perform_reads`].
pub(super) async fn reads(jobs: &[Job], hold: watch::Receiver<bool>, hands: &Hands, told: &mut dyn Told) {
    let Some(first) = jobs.first() else { return };
    let mut hows = Hows {
        told,
        hold: hold.clone(),
        goes_on: true,
        again: None,
    };
    match hands.session(&first.on).await {
        Ok(session) => {
            let requests: Vec<Request> = jobs.iter().map(|job| request(job, work(job).0, job.timeout)).collect();
            session.run_reads(&requests, hold, &mut hows).await;
        }
        Err(_) => hows.again = Some(0),
    }
    // From where the link was lost each goes the way that a single one goes, which knows what to do then.
    let Some(from) = hows.again else { return };
    for (nth, job) in jobs.iter().enumerate().skip(from) {
        let mut end = End::PassedOver;
        if hows.goes_on && !*hows.hold.borrow() {
            hows.told.sink(nth).restart();
            end = run(job, work(job).0, hands, hows.told.sink(nth)).await;
        }
        hows.goes_on = end == End::Exited(0);
        hows.told.done(nth, Done::end(end));
    }
}

/// What the ends of several commands mean.
struct Hows<'a> {
    told: &'a mut dyn Told,
    hold: watch::Receiver<bool>,
    /// None so far has ended otherwise than with 0.
    goes_on: bool,
    /// The first that was not sent or whose end was not learnt, for no reason that lies in the commands before it.
    again: Option<usize>,
}

impl Each for Hows<'_> {
    fn sink(&mut self, nth: usize) -> &mut dyn Sink {
        self.told.sink(nth)
    }

    fn ended(&mut self, nth: usize, how: How) {
        if self.again.is_some() {
            return;
        }
        let end = match how {
            How::Exited(status) => End::Exited(status),
            How::TimedOut => End::TimedOut,
            How::Cancelled => End::Cancelled,
            How::NotSent(_) if !self.goes_on || *self.hold.borrow() => End::PassedOver,
            // It may run yet, behind one that did not end well: it is not run again.
            How::Unknown(why) if !self.goes_on => End::Unknown { why, stopped: false },
            How::NotSent(_) | How::Unknown(_) => {
                self.again = Some(nth);
                return;
            }
        };
        self.goes_on &= end == End::Exited(0);
        self.told.done(nth, Done::end(end));
    }
}

/// After a crash of ours: the host knows how it ended, or that it never began.
pub(super) async fn recover(job: &Job, hands: &Hands, sink: &mut dyn Sink) -> End {
    ask(job, hands, sink, Instant::now(), "the run was interrupted").await
}

async fn ask(job: &Job, hands: &Hands, sink: &mut dyn Sink, began: Instant, why: &str) -> End {
    let Some(key) = &job.latch else {
        return End::Unknown {
            why: why.to_owned(),
            stopped: false,
        };
    };
    let Work(command) = work(job);
    loop {
        let left = job
            .timeout
            .saturating_sub(began.elapsed())
            .max(ASK_AT_LEAST.saturating_sub(began.elapsed()));
        if left.is_zero() {
            return End::Unknown {
                why: format!("{why}, and the host could not be asked in time"),
                stopped: false,
            };
        }
        let session: Arc<dyn Session> = match hands.reopen(&job.on, left).await {
            Ok(session) => session,
            Err(error) => {
                return End::Unknown {
                    why: format!("{why}, and the host cannot be asked: {error}"),
                    stopped: false,
                };
            }
        };
        sink.restart();
        let answer = session.probe(key, &job.boot, job.become_user.as_deref(), sink).await;
        let how = match answer {
            Probe::Done(status) => return End::Exited(status),
            Probe::Never => return End::NeverBegan,
            Probe::Running => {
                sink.restart();
                session.follow(key, request(job, command, left), sink).await
            }
            Probe::Orphan => {
                let why = "its recorder is dead and processes of it still run on the host".to_owned();
                return End::Unknown { why, stopped: false };
            }
            Probe::LostReboot => {
                let why = "the host was rebooted while it ran and has no record of its end".to_owned();
                return End::Unknown { why, stopped: true };
            }
            Probe::LostDied => {
                let why = "it is gone from the host without a record of its end".to_owned();
                return End::Unknown { why, stopped: true };
            }
            Probe::NoAccess(_) => How::Unknown(why.to_owned()),
        };
        match how {
            How::Exited(status) => return End::Exited(status),
            How::TimedOut => return End::TimedOut,
            How::Cancelled => return End::Cancelled,
            How::NotSent(_) | How::Unknown(_) => {
                hands.lost(&job.on, &session).await;
                hands.clock.sleep(Duration::from_millis(250)).await;
            }
        }
    }
}

/// The command of a job; a job that is no command has an empty one.
struct Work<'a>(&'a Command);

fn work(job: &Job) -> Work<'_> {
    static NOTHING: Command = Command::Shell(String::new());
    match &job.work {
        super::Work::Command(command) => Work(command),
        super::Work::Check(check) => Work(check.text()),
        _ => Work(&NOTHING),
    }
}

fn request(job: &Job, command: &Command, timeout: Duration) -> Request {
    Request {
        command: command.clone(),
        env: job.env.clone(),
        stdin: job.stdin.clone(),
        become_user: job.become_user.clone(),
        timeout,
        latch: job.latch.clone(),
        step_key: job.step_key.clone(),
        streams: matches!(job.work, super::Work::Compare(_)),
        cancel: job.cancel.clone(),
    }
}
