//! `wait_for`: looks again and again until it is so, or the limit is over.
//!
//! Owns: how each thing is looked at. Must not: change anything, or probe a port from outside when it waits for a login.

use std::time::Duration;

use tokio::time::Instant;

use super::file::plain;
use super::{Done, End, Hands, Job};
use crate::runbook::expr::quote::sh_word as quote;
use crate::transport::{How, Sink, Stream};

/// Takes no notes.
struct Nowhere;

impl Sink for Nowhere {
    fn take(&mut self, _: Stream, _: &[u8]) {}
}

pub(super) async fn port(job: &Job, host: Option<&str>, port: u16, every: Duration, hands: &Hands) -> Done {
    let at = host.unwrap_or("127.0.0.1");
    // Whatever the host has that can open a connection; a listening port in /proc is the last word where nothing can.
    let script = format!(
        ": wait_for port {port} of {words}
h={h}; p={port}
if command -v bash >/dev/null 2>&1; then exec bash -c 'exec 3<>\"/dev/tcp/$1/$2\"' - \"$h\" \"$p\" 2>/dev/null
elif command -v nc >/dev/null 2>&1; then exec nc -z -w 5 \"$h\" \"$p\" >/dev/null 2>&1
elif command -v python3 >/dev/null 2>&1; then exec python3 -c 'import socket,sys; socket.create_connection((sys.argv[1],int(sys.argv[2])),5)' \"$h\" \"$p\" 2>/dev/null
elif command -v perl >/dev/null 2>&1; then exec perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr=>\"$ARGV[0]:$ARGV[1]\",Timeout=>5)' \"$h\" \"$p\"
else grep -qi ':{hex} [0-9A-F]*:0000 0A' /proc/net/tcp /proc/net/tcp6 2>/dev/null; fi",
        words = quote(at),
        h = quote(at),
        hex = format_args!("{port:04X}"),
    );
    look(
        job,
        &script,
        every,
        hands,
        &format!("port {port} of {at} does not accept"),
    )
    .await
}

pub(super) async fn path(job: &Job, path: &str, every: Duration, hands: &Hands) -> Done {
    look(
        job,
        &format!(": wait_for path {0}\n[ -e {0} ]", quote(path)),
        every,
        hands,
        &format!("{path} does not exist"),
    )
    .await
}

async fn look(job: &Job, script: &str, every: Duration, hands: &Hands, not_yet: &str) -> Done {
    let began = Instant::now();
    loop {
        let why = match hands.session(&job.on).await {
            Ok(session) => match session.run(plain(job, script.to_owned()), &mut Nowhere).await {
                How::Exited(0) => return Done::end(End::Good),
                How::Cancelled => return Done::end(End::Cancelled),
                How::Exited(_) | How::TimedOut => not_yet.to_owned(),
                How::NotSent(why) | How::Unknown(why) => {
                    hands.lost(&job.on, &session).await;
                    why
                }
            },
            Err(error) if !error.transient => return Done::end(End::Unreachable(error.advised())),
            Err(error) => error.to_string(),
        };
        if let Some(end) = pause(job, began, every, hands, &why).await {
            return Done::end(end);
        }
    }
}

pub(super) async fn connection(job: &Job, every: Duration, hands: &Hands) -> Done {
    let began = Instant::now();
    loop {
        // A session that is still open proves nothing: it is given up and a full login made.
        hands.close(&job.on).await;
        let why = match hands.session(&job.on).await {
            Ok(_) => return Done::end(End::Good),
            Err(error) if !error.transient => return Done::end(End::Unreachable(error.advised())),
            Err(error) => error.to_string(),
        };
        if let Some(end) = pause(job, began, every, hands, &why).await {
            return Done::end(end);
        }
    }
}

pub(super) async fn time(job: &Job, time: Duration, hands: &Hands) -> Done {
    let mut cancel = job.cancel.clone();
    tokio::select! {
        biased;
        () = hands.clock.sleep(time) => Done::end(End::Good),
        _ = cancel.wait_for(|stop| *stop) => Done::end(End::Cancelled),
    }
}

/// Waits for the next look; `Some`: there is none.
async fn pause(job: &Job, began: Instant, every: Duration, hands: &Hands, why: &str) -> Option<End> {
    if began.elapsed() + every >= job.timeout {
        return Some(End::Failed(format!("{why} after {} s", began.elapsed().as_secs())));
    }
    let mut cancel = job.cancel.clone();
    tokio::select! {
        biased;
        () = hands.clock.sleep(every) => None,
        _ = cancel.wait_for(|stop| *stop) => Some(End::Cancelled),
    }
}
