//! Signals of the operating system, counted.
//!
//! Owns: which signals stop a run, and that the third leaves at once. Must not: know what the engine does with the count.

use std::io::{stderr, stdin, stdout};
use std::time::Duration;

use rustix::termios::tcgetattr;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::exit;

/// Listens until it is dropped.
pub struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// When a run is to end.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// So long after it began no new step starts.
    pub after: Duration,
    /// What still runs so long after that is stopped; `None`: it ends by itself, within its own limit.
    pub grace: Option<Duration>,
}

impl Deadline {
    /// Of the two flags.
    pub fn of(after: Option<Duration>, grace: Option<Duration>) -> Option<Self> {
        after.map(|after| Self { after, grace })
    }
}

/// Sends the count so far with each SIGINT, SIGTERM or SIGHUP that adds to it; a deadline counts as the first, the end of its grace as
/// the second, and both are told by `over`.
pub fn listen(
    send: UnboundedSender<u32>,
    deadline: Option<Deadline>,
    over: impl Fn(u32) + Send + 'static,
) -> Listening {
    Listening(tokio::spawn(async move {
        let streams = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        );
        let (Ok(mut int), Ok(mut term), Ok(mut hup)) = streams else {
            return;
        };
        let mut waits = deadline
            .into_iter()
            .flat_map(|d| std::iter::once(d.after).chain(d.grace));
        let until = |wait: Option<Duration>| async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        let mut late = Box::pin(until(waits.next()));
        let (mut count, mut past) = (0_u32, 0_u32);
        loop {
            let before = count;
            tokio::select! {
                _ = int.recv() => count += 1,
                _ = term.recv() => count += 1,
                // A terminal that goes hangs up twice, for its shell and by itself, and nobody is there who could press again.
                _ = hup.recv() => count = if hung_up() { count.max(1) } else { count + 1 },
                () = &mut late => {
                    past += 1;
                    late = Box::pin(until(waits.next()));
                    over(past);
                    count = count.max(past);
                }
            }
            if count > 2 {
                // As safe as SIGKILL: the journal knows what was intended.
                std::process::exit(i32::from(exit::STOPPED));
            }
            if count > before && send.send(count).is_err() {
                return;
            }
        }
    }))
}

/// True if one of our streams was a terminal that is gone.
fn hung_up() -> bool {
    let gone = |asked: rustix::io::Result<_>| asked.is_err_and(|e| e == rustix::io::Errno::IO);
    gone(tcgetattr(stdin()).map(drop)) || gone(tcgetattr(stdout()).map(drop)) || gone(tcgetattr(stderr()).map(drop))
}
