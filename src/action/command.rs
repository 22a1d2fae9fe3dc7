//! `run` and `script`: a command on a host, and what to do when the link is lost under it.
//!
//! Owns: the difference between read-only and latched commands after a cut. Must not: start a changing command twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{End, Hands, Job};
use crate::transport::{Command, How, Probe, Request, Session, Sink};

/// A host is asked for at least so long how a cut-off step ended, however little of its limit is left.
const ASK_AT_LEAST: Duration = Duration::from_secs(20);

/// Runs it to its end.
pub(super) async fn run(job: &Job, command: &Command, hands: &Hands, sink: &mut dyn Sink) -> End {
    let began = Instant::now();
    loop {
        let session = match hands.session(&job.on).await {
            Ok(session) => session,
            Err(error) => return End::Unreachable(error.to_string()),
        };
        let left = job.timeout.saturating_sub(began.elapsed());
        let how = session.run(request(job, command, left), sink).await;
        match how {
            How::Exited(status) => return End::Exited(status),
            How::TimedOut => return End::TimedOut,
            How::Cancelled => return End::Cancelled,
            How::NotSent(why) => {
                // The session may have died since it was last used. Nothing was sent, so one new login is allowed.
                hands.lost(&job.on, &session).await;
                if let Err(error) = hands.reopen(&job.on, left.min(ASK_AT_LEAST)).await {
                    return End::Unreachable(format!("{why}; {error}"));
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
        cancel: job.cancel.clone(),
    }
}
