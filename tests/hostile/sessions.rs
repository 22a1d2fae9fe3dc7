//! Lies that only a session sees: files, a step's output, what is left behind. Over the transport itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pitstop::id::{HostName, RunId};
use pitstop::transport::{
    Command, Endpoint, How, LatchKey, Privilege, Put, Request, Session, Sink, SshOptions, SshTransport, Stream,
    Transport, Way,
};
use tokio::sync::watch;

use crate::host::{Go, Host, Moment, Nature};
use crate::links;
use crate::sshd::{keygen, me};
use crate::wire::{Conn, Packet, msg};

#[derive(Default)]
pub struct Kept(pub Vec<u8>);

impl Sink for Kept {
    fn take(&mut self, _: Stream, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

pub fn options() -> SshOptions {
    SshOptions {
        agent: None,
        home: None,
        user: None,
        ..SshOptions::from_env()
    }
}

pub fn fresh_run() -> RunId {
    let mut random = [0_u8; 6];
    getrandom::fill(&mut random).unwrap();
    RunId::new(jiff::Timestamp::now(), random)
}

pub fn request(command: &str, timeout: Duration) -> Request {
    Request {
        command: Command::Shell(command.to_owned()),
        env: vec![],
        stdin: None,
        become_user: None,
        timeout,
        latch: Some(LatchKey::of(command)),
        step_key: command.to_owned(),
        streams: false,
        cancel: watch::channel(false).1,
    }
}

/// How to log in to a lying host.
pub fn endpoint(host: &Host) -> Endpoint {
    let key = host.dir.path().join("id");
    keygen(&key, "ed25519", "");
    Endpoint {
        host: HostName::new("liar"),
        address: "127.0.0.1".to_owned(),
        port: host.port,
        user: Some(me()),
        password: None,
        identities: vec![key],
        known_hosts: vec![host.known_hosts.clone()],
        jump: None,
        way: Way::default(),
        privilege: Privilege::default(),
        connect_timeout: Duration::from_secs(30),
        run: fresh_run(),
    }
}

/// A host with this lie, and a session on it.
async fn session(
    lie: impl Fn(&mut Conn, &Moment<'_>) -> std::io::Result<Go> + Send + Sync + 'static,
) -> (Host, Arc<dyn Session>) {
    let host = Host::start(Nature {
        lie: Arc::new(move |conn, moment, _| lie(conn, moment)),
        ..Nature::default()
    });
    let session = SshTransport::new(options()).connect(&endpoint(&host)).await.unwrap();
    (host, session)
}

fn output(channel: u32, bytes: impl AsRef<[u8]>) -> Packet {
    Packet::of(msg::CHANNEL_DATA).int(channel).text(bytes)
}

/// What waits for real limits waits side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_slow_late_half_open_or_without_end_costs_no_more_than_its_limit() {
    let mut work = tokio::task::JoinSet::new();
    macro_rules! beside {
        ($($case:path),* $(,)?) => {
            $(work.spawn(async {
                let limit = Duration::from_secs(200);
                let ended = tokio::time::timeout(limit, $case()).await;
                assert!(ended.is_ok(), "{} has no end", stringify!($case));
                println!("{} ended", stringify!($case));
            });)*
        };
    }
    beside!(
        links::a_slow_link_brings_a_step_s_output_whole,
        links::a_late_link_starts_a_step_once,
        links::an_idle_connection_that_is_half_open_is_found_dead_by_its_keepalives,
        a_file_of_which_only_complaints_come_is_given_up,
        a_file_that_comes_byte_by_byte_is_given_up,
        a_host_that_does_not_show_its_output_does_not_put_off_a_step_s_limit,
        a_host_that_names_users_without_end_is_left_to_the_ledger,
        a_host_that_takes_nothing_and_says_nothing_of_use_is_lost,
    );
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
}

/// Answers the command that fetches a file in its own way.
async fn fetched(
    answer: impl Fn(u32) -> Packet + Clone + Send + Sync + 'static,
    every: Duration,
) -> (String, Duration) {
    let (_host, session) = session(move |conn, moment| {
        let Moment::Exec(channel, command) = moment else {
            return Ok(Go::On);
        };
        let channel = *channel;
        // Between quotes stands the marker that is waited for, twice.
        let Some(marker) = command
            .contains("head -c")
            .then(|| command.split("echo ").nth(1))
            .flatten()
        else {
            return Ok(Go::On);
        };
        let marker = marker.split(';').next().unwrap_or_default();
        conn.send(&output(channel, format!("{marker}\n")))?;
        conn.send(
            &Packet::of(msg::CHANNEL_EXTENDED)
                .int(channel)
                .int(1)
                .text(format!("{marker}\n")),
        )?;
        let (out, answer) = (conn.out.clone(), answer.clone());
        std::thread::spawn(move || {
            while out.lock().unwrap().send(&answer(channel)).is_ok() {
                std::thread::sleep(every);
            }
        });
        Ok(Go::Swallow)
    })
    .await;
    let began = Instant::now();
    let mut kept = Kept::default();
    let why = session.get("/etc/motd", 1 << 20, None, &mut kept).await.unwrap_err();
    session.close().await;
    (why, began.elapsed())
}

/// It had no end, and took memory without one.
async fn a_file_of_which_only_complaints_come_is_given_up() {
    let complaint = |channel| {
        Packet::of(msg::CHANNEL_EXTENDED)
            .int(channel)
            .int(1)
            .text([b'e'; 10_000])
    };
    let (why, took) = fetched(complaint, Duration::from_millis(5)).await;
    assert!(why.contains("/etc/motd comes slower than") && why.len() < 1000, "{why}");
    assert!(took < Duration::from_secs(45), "{took:?}");
}

async fn a_file_that_comes_byte_by_byte_is_given_up() {
    let (why, took) = fetched(|channel| output(channel, "x"), Duration::from_millis(100)).await;
    assert!(why.contains("/etc/motd comes slower than"), "{why}");
    assert!(took < Duration::from_secs(45), "{took:?}");
}

async fn a_host_that_does_not_show_its_output_does_not_put_off_a_step_s_limit() {
    let (_host, session) = session(|_, moment| match moment {
        Moment::Input(_, said) if said.starts_with(b"_g ") => Ok(Go::Swallow),
        _ => Ok(Go::On),
    })
    .await;
    let began = Instant::now();
    let how = session
        .run(request("sleep 100", Duration::from_secs(3)), &mut Kept::default())
        .await;
    assert!(matches!(how, How::Unknown(_)), "{how:?}");
    // Its limit, and one answer that does not come when it is stopped: not one before that.
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    session.close().await;
}

/// A step's end came only when the pull that hung was given up, half a minute later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_step_is_told_while_what_it_said_hangs() {
    let is_pull = |moment: &Moment<'_>, _| matches!(moment, Moment::Input(_, said) if said.starts_with(b"_g "));
    let opens_second = |moment: &Moment<'_>, opened| matches!(moment, Moment::Open(_)) && opened > 1;
    ended_while_it_hangs("a pull has no answer", is_pull).await;
    ended_while_it_hangs("a lane for pulls does not open", opens_second).await;
}

/// Runs a step that ends once the host has begun to swallow this; told so far: how many channels were asked for.
async fn ended_while_it_hangs(name: &str, swallows: impl Fn(&Moment<'_>, usize) -> bool + Send + Sync + 'static) {
    let dir = tempfile::tempdir().unwrap();
    let (hangs, opened) = (dir.path().join("hangs"), AtomicUsize::new(0));
    let mark = hangs.clone();
    let (_host, session) = session(move |_, moment| {
        opened.fetch_add(usize::from(matches!(moment, Moment::Open(_))), Ordering::SeqCst);
        if !swallows(moment, opened.load(Ordering::SeqCst)) {
            return Ok(Go::On);
        }
        std::fs::write(&mark, "").unwrap();
        Ok(Go::Swallow)
    })
    .await;
    let text = format!(
        "until [ -e {} ]; do sleep 0.02; done; echo said; exit 7",
        hangs.display()
    );
    let (began, mut kept) = (Instant::now(), Kept::default());
    let how = session.run(request(&text, Duration::from_secs(100)), &mut kept).await;
    assert_eq!(
        (how, kept.0.as_slice()),
        (How::Exited(7), b"said\n".as_slice()),
        "{name}"
    );
    // Less than one answer that does not come.
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{name}: {:?}",
        began.elapsed()
    );
    session.close().await;
}

/// A lane for pulls that is refused once does not keep what a step says from being shown while it runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_looked_at_again_after_a_lane_for_that_was_refused() {
    struct Says(std::path::PathBuf);
    impl Sink for Says {
        fn take(&mut self, _: Stream, _: &[u8]) {
            std::fs::write(&self.0, "").unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (seen, opened) = (dir.path().join("seen"), AtomicUsize::new(0));
    let (_host, session) = session(move |conn, moment| {
        // A channel that is refused is asked for again, for a second at most, every 20 ms at most.
        if !matches!(moment, Moment::Open(_)) || !(1..60).contains(&opened.fetch_add(1, Ordering::SeqCst)) {
            return Ok(Go::On);
        }
        let refusal = Packet::of(msg::CHANNEL_REFUSE).int(moment.channel()).int(4);
        conn.send(&refusal.text("not now").text(""))?;
        Ok(Go::Swallow)
    })
    .await;
    let text = format!(
        "echo said; until [ -e {} ]; do sleep 0.02; done; exit 7",
        seen.display()
    );
    let how = session
        .run(request(&text, Duration::from_secs(60)), &mut Says(seen))
        .await;
    assert_eq!(how, How::Exited(7));
    session.close().await;
}

/// Keepalives cannot be missed while nothing can be sent, and what it says keeps the connection alive.
async fn a_host_that_takes_nothing_and_says_nothing_of_use_is_lost() {
    let lie = |conn: &mut Conn, moment: &Moment<'_>, _: usize| {
        let Moment::Exec(channel, command) = moment else {
            return Ok(Go::On);
        };
        if !command.contains("set -C") {
            return Ok(Go::On);
        }
        let marker = command.split("echo ").nth(1).and_then(|rest| rest.split(';').next());
        let line = format!("{}\n", marker.unwrap_or_default());
        conn.send(&Packet::of(msg::WINDOW_ADJUST).int(*channel).int(1 << 30))?;
        conn.send(&output(*channel, &line))?;
        conn.send(&Packet::of(msg::CHANNEL_EXTENDED).int(*channel).int(1).text(&line))?;
        let out = conn.out.clone();
        while out.lock().unwrap().send(&Packet::of(msg::IGNORE).text("x")).is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Go::End)
    };
    let host = Host::start(Nature {
        lie: Arc::new(lie),
        ..Nature::default()
    });
    let transport = SshTransport::new(SshOptions {
        keepalive: Duration::from_secs(1),
        ..options()
    });
    let session = transport.connect(&endpoint(&host)).await.unwrap();
    let put = Put {
        content: Arc::new(vec![b'x'; 32 << 20].into()),
        dest: host.dir.path().join("dest").display().to_string(),
        mode: None,
        owner: None,
        validate: None,
        become_user: None,
        timeout: Duration::from_secs(100),
    };
    let began = Instant::now();
    let why = session.put(put).await.unwrap_err();
    assert!(why.contains("the connection ended"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

async fn a_host_that_names_users_without_end_is_left_to_the_ledger() {
    let (_host, session) = session(|conn, moment| match moment {
        Moment::Input(channel, said) if said.windows(4).any(|w| w == b"/u.*") => {
            let said = String::from_utf8_lossy(said).into_owned();
            let nonce = said.split(' ').nth(1).unwrap_or_default();
            let names: String = (0..10_000).map(|n| format!("user{n}\n")).collect();
            for piece in format!("{names}{nonce} X 0\n").as_bytes().chunks(30_000) {
                conn.send(&output(*channel, piece))?;
            }
            Ok(Go::Swallow)
        }
        _ => Ok(Go::On),
    })
    .await;
    let began = Instant::now();
    let why = session.leave().await.unwrap_err();
    assert!(why.contains("more than 64 users"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    session.close().await;
}

/// A host whose SFTP answers each of our packets like this; all else is honest.
fn sftp(answer: impl Fn(usize, &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Nature {
    let state = std::sync::Mutex::new((None, 0));
    Nature {
        lie: Arc::new(move |conn, moment, _| {
            let mut state = state.lock().unwrap();
            match moment {
                Moment::Sftp(channel) => {
                    *state = (Some(*channel), 0);
                    conn.send(&Packet::of(99).int(*channel))?;
                    Ok(Go::Swallow)
                }
                Moment::Input(channel, data) if state.0 == Some(*channel) => {
                    let nth = state.1;
                    state.1 += 1;
                    match answer(nth, data) {
                        Some(bytes) => conn.send(&Packet::of(msg::CHANNEL_DATA).int(*channel).text(bytes))?,
                        None => conn.send(&Packet::of(msg::CHANNEL_CLOSE).int(*channel))?,
                    }
                    Ok(Go::Swallow)
                }
                _ => Ok(Go::On),
            }
        }),
        ..Nature::default()
    }
}

/// An SFTP packet with its length.
fn framed(packet: Packet) -> Vec<u8> {
    Packet(vec![]).text(packet.0).0
}

const VERSION: fn() -> Vec<u8> = || framed(Packet::of(2).int(3));

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lies_over_sftp_costs_the_upload_and_no_more_than_its_limit() {
    let id = |data: &[u8]| u32::from_be_bytes(data.get(5..9).map_or([0; 4], |id| id.try_into().unwrap()));
    let natures: Vec<(&str, Nature)> = vec![
        ("silent", sftp(|_, _| Some(vec![]))),
        (
            "length of 4 GiB",
            sftp(|_, _| Some([&u32::MAX.to_be_bytes(), [2; 64].as_slice()].concat())),
        ),
        ("length of 0", sftp(|_, _| Some(vec![0; 64]))),
        ("garbage", sftp(|_, _| Some(vec![0xa5; 200]))),
        (
            "silent after its version",
            sftp(|n, _| Some(if n == 0 { VERSION() } else { vec![] })),
        ),
        (
            "wrong numbers",
            sftp(move |n, data| {
                Some(match n {
                    0 => VERSION(),
                    _ => framed(Packet::of(102).int(id(data).wrapping_add(1000)).text("h")),
                })
            }),
        ),
        (
            "everything is well, and nothing was written",
            sftp(move |n, data| {
                Some(match (n, data.get(4)) {
                    (0, _) => VERSION(),
                    (_, Some(3)) => framed(Packet::of(102).int(id(data)).text("h")),
                    _ => framed(Packet::of(101).int(id(data)).int(0).text("").text("")),
                })
            }),
        ),
        (
            "refused with escapes",
            sftp(move |n, data| {
                Some(match n {
                    0 => VERSION(),
                    _ => framed(
                        Packet::of(101)
                            .int(id(data))
                            .int(4)
                            .text("\u{1b}[2J".repeat(5000))
                            .text(""),
                    ),
                })
            }),
        ),
        ("closed in the middle", sftp(|n, _| (n < 1).then(VERSION))),
    ];
    let mut work = Vec::new();
    for (name, nature) in natures {
        work.push(tokio::spawn(async move {
            let host = Host::start(nature);
            let to = endpoint(&host);
            let session = SshTransport::new(options()).connect(&to).await.unwrap();
            let dest = host.dir.path().join("dest");
            let limit = Duration::from_secs(4);
            let put = Put {
                content: Arc::new(vec![b'x'; 100_000].into()),
                dest: dest.display().to_string(),
                mode: None,
                owner: None,
                validate: None,
                become_user: None,
                timeout: limit,
            };
            let began = Instant::now();
            let put = session.put(put).await;
            let took = began.elapsed();
            assert!(took < limit + Duration::from_secs(10), "{name}: {took:?}");
            // A server whose SFTP does not begin gets the file through the shell.
            match put {
                Ok(()) => assert_eq!(std::fs::read(&dest).unwrap().len(), 100_000, "{name}"),
                Err(why) => {
                    assert!(!dest.exists(), "{name}: {why}");
                    assert!(
                        why.contains("dest") && !why.chars().any(char::is_control) && why.len() < 1000,
                        "{name}: {why}"
                    );
                }
            }
            // And the connection is as good as before.
            let mut kept = Kept::default();
            let how = session
                .run(request("echo fine", Duration::from_secs(60)), &mut kept)
                .await;
            assert_eq!(
                (how, kept.0.as_slice()),
                (How::Exited(0), b"fine\n".as_slice()),
                "{name}"
            );
            println!("{name}: {took:?}");
        }));
    }
    for one in work {
        one.await.unwrap();
    }
}
