//! A TCP link that is slow, late, or stops with both ends open, and what it does to a host behind it.
//!
//! Owns: the link (this kernel has no netem). Half-open: bytes stop in both directions, no end is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use pitstop::transport::{Endpoint, How, SshOptions, SshTransport, Transport};

use crate::host::{Go, Moment};
use crate::lies::{at_change, once_at_change};
use crate::room::{Case, LIMIT, Want};
use crate::sessions::{Kept, fresh_run, options, request};
use crate::sshd::Sshd;
use crate::wire::Conn;

/// What a link does with bytes: 0 all go on, 1 none does, 2 thirty kilobytes a second, 3 each a second late; 4 it is reset.
pub type Switch = Arc<AtomicU8>;

const STOPPED: u8 = 1;
const SLOW: u8 = 2;
const DELAYED: u8 = 3;
const RESET: u8 = 4;

/// A link to a port of this machine; its own port.
pub fn start(to: u16, switch: Switch) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else {
                return;
            };
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (from, to, switch) = (from.try_clone().unwrap(), to.try_clone().unwrap(), switch.clone());
                std::thread::spawn(move || pump(from, to, &switch));
            }
        }
    });
    port
}

fn pump(mut from: TcpStream, mut to: TcpStream, switch: &AtomicU8) {
    let mut buffer = [0; 16 << 10];
    let tick = Duration::from_millis(100);
    from.set_read_timeout(Some(tick)).unwrap();
    loop {
        let mode = switch.load(Ordering::SeqCst);
        if mode == RESET {
            // Closed so, a connection has no end: both sides are told that there is none.
            for side in [&from, &to] {
                rustix::net::sockopt::set_socket_linger(side, Some(Duration::ZERO)).unwrap();
            }
            return;
        }
        let room = if mode == SLOW { 3 << 10 } else { buffer.len() };
        if mode == STOPPED {
            std::thread::sleep(tick);
            continue;
        }
        let n = match from.read(&mut buffer[..room]) {
            Ok(1..) if switch.load(Ordering::SeqCst) == RESET => continue,
            Ok(n @ 1..) => n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,
            _ => {
                // One direction has ended; the other may go on.
                let _ = to.shutdown(std::net::Shutdown::Write);
                return;
            }
        };
        // What was read as the link stopped is lost on it for as long as it stands.
        while switch.load(Ordering::SeqCst) == STOPPED {
            std::thread::sleep(tick);
        }
        match mode {
            SLOW => std::thread::sleep(tick),
            DELAYED => std::thread::sleep(10 * tick),
            _ => {}
        }
        if to.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

/// A host behind a link that stops as the change is sent, and goes on after a while, if ever.
fn half_open(name: &'static str, heals: Option<Duration>, want: Want, says: &'static [&'static str]) -> Case {
    let switch = Switch::default();
    let turn = switch.clone();
    let lie = move |_: &mut Conn, _: &Moment<'_>| {
        turn.store(STOPPED, Ordering::SeqCst);
        if let Some(after) = heals {
            let turn = turn.clone();
            std::thread::spawn(move || {
                std::thread::sleep(after);
                turn.store(0, Ordering::SeqCst);
            });
        }
        Ok(Go::On)
    };
    let nature = match heals {
        Some(_) => once_at_change(lie),
        None => at_change(lie),
    };
    Case {
        want,
        connect: 5,
        within: Duration::from_secs(LIMIT + 5 + 20),
        link: Some(switch),
        ..Case::unreachable(name, nature, says)
    }
}

/// A host behind a link that is reset while the change is at work there, and is good again when it has been made.
pub fn reset_link(name: &'static str) -> Case {
    let switch = Switch::default();
    let turn = switch.clone();
    let mut case = half_open(name, None, Want::Ok, &[]);
    case.nature = once_at_change(move |conn, _| {
        turn.store(RESET, Ordering::SeqCst);
        let (turn, end) = (turn.clone(), conn.stream.try_clone()?);
        std::thread::spawn(move || {
            // This side is told, too.
            while end.peek(&mut [0]).is_ok_and(|n| n > 0) {
                std::thread::sleep(Duration::from_millis(5));
            }
            turn.store(0, Ordering::SeqCst);
        });
        Ok(Go::On)
    });
    case.connect = 30;
    case.link = Some(switch);
    case
}

/// For ever, and for longer than the step's limit.
pub fn half_open_links() -> Vec<Case> {
    let healed = Duration::from_secs(LIMIT + 3);
    vec![
        half_open(
            "stopped-for-ever",
            None,
            Want::Unknown,
            &["127.0.0.1", "no answer within 5 s"],
        ),
        half_open("stopped-for-a-while", Some(healed), Want::Ok, &[]),
    ]
}

/// Over a link to a real server.
fn over(sshd: &Sshd, switch: &Switch) -> Endpoint {
    let port = start(sshd.port, switch.clone());
    let line = sshd
        .known_hosts_line()
        .replace(&sshd.port.to_string(), &port.to_string());
    Endpoint {
        port,
        known_hosts: vec![sshd.trust("over", &line)],
        connect_timeout: Duration::from_secs(60),
        ..sshd.endpoint(&fresh_run())
    }
}

pub async fn an_idle_connection_that_is_half_open_is_found_dead_by_its_keepalives() {
    let (sshd, switch) = (Sshd::start(), Switch::default());
    let transport = SshTransport::new(SshOptions {
        keepalive: Duration::from_secs(1),
        ..options()
    });
    let session = transport.connect(&over(&sshd, &switch)).await.unwrap();
    let work = tokio::spawn(async move {
        let mut kept = Kept::default();
        session
            .run(request("sleep 100", Duration::from_secs(90)), &mut kept)
            .await
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    switch.store(STOPPED, Ordering::SeqCst);
    let began = Instant::now();
    let How::Unknown(why) = work.await.unwrap() else {
        panic!("its end was known")
    };
    assert!(why.contains("the connection ended: Keepalive timeout"), "{why}");
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "four keepalives: {:?}",
        began.elapsed()
    );
}

/// One answer takes longer than any silence that is allowed, and is never silent.
pub async fn a_slow_link_brings_a_step_s_output_whole() {
    let (sshd, switch) = (Sshd::start(), Switch::default());
    let session = SshTransport::new(options())
        .connect(&over(&sshd, &switch))
        .await
        .unwrap();
    switch.store(SLOW, Ordering::SeqCst);
    let mut kept = Kept::default();
    let ask = request("head -c 1020000 /dev/zero", Duration::from_secs(200));
    assert_eq!(session.run(ask, &mut kept).await, How::Exited(0));
    assert_eq!(kept.0.len(), 1_020_000);
    switch.store(0, Ordering::SeqCst);
    session.leave().await.unwrap();
}

pub async fn a_late_link_starts_a_step_once() {
    let (sshd, switch) = (Sshd::start(), Switch::default());
    let effects = sshd.path("effects");
    switch.store(DELAYED, Ordering::SeqCst);
    let session = SshTransport::new(options())
        .connect(&over(&sshd, &switch))
        .await
        .unwrap();
    let mut kept = Kept::default();
    let ask = request(&format!("echo x >>{}", effects.display()), Duration::from_secs(100));
    assert_eq!(session.run(ask, &mut kept).await, How::Exited(0));
    switch.store(0, Ordering::SeqCst);
    session.leave().await.unwrap();
    assert_eq!(std::fs::read_to_string(effects).unwrap(), "x\n");
}
