//! Lies of a host that has let us in: before the change is sent it is unreachable, after that its end is unknown, unless the
//! host can be asked.

use std::sync::Arc;
use std::time::Duration;

use crate::host::{Go, Moment, Nature, confirm, exit_status};
use crate::lies::{at, at_change, once_at_change, pour};
use crate::links::{half_open_links, reset_link};
use crate::room::{CHANGE, Case, FILE, LIMIT, Want, checked};
use crate::wire::{HostKey, Kex, Packet, msg};

/// Unreachable before anything was sent.
fn early(name: &'static str, nature: Nature, says: &'static [&'static str]) -> Case {
    Case {
        connect: 5,
        // The login is quick, the shell has its own limit.
        within: Duration::from_secs(5),
        ..Case::unreachable(name, nature, says)
    }
}

/// Lost after it was sent.
fn lost(name: &'static str, nature: Nature, says: &'static [&'static str]) -> Case {
    Case {
        want: Want::Unknown,
        // Its own limit, a lane to stop it, and the time in which a host is asked how it ended.
        within: Duration::from_secs(LIMIT + 5 + 20),
        ..early(name, nature, says)
    }
}

/// Everything is as it should be in the end.
fn fine(name: &'static str, nature: Nature) -> Case {
    Case {
        want: Want::Ok,
        within: Duration::from_secs(LIMIT),
        connect: 30,
        ..early(name, nature, &[])
    }
}

/// Answers a moment in its own way, on every connection.
fn instead(
    when: fn(&Moment<'_>) -> bool,
    message: impl Fn(&Moment<'_>) -> Option<Packet> + Send + Sync + 'static,
) -> Nature {
    Nature {
        lie: Arc::new(move |conn, moment, _| {
            if !when(moment) {
                return Ok(Go::On);
            }
            if let Some(message) = message(moment) {
                conn.send(&message)?;
            }
            Ok(Go::Swallow)
        }),
        ..Nature::default()
    }
}

fn opening(moment: &Moment<'_>) -> bool {
    matches!(moment, Moment::Open(_))
}

fn running(moment: &Moment<'_>) -> bool {
    matches!(moment, Moment::Exec(..))
}

fn let_in(moment: &Moment<'_>) -> bool {
    matches!(moment, Moment::LoggedIn)
}

fn data(channel: u32, bytes: impl AsRef<[u8]>) -> Packet {
    Packet::of(msg::CHANNEL_DATA).int(channel).text(bytes)
}

fn exit_signal(channel: u32, name: &str) -> Packet {
    let packet = Packet::of(msg::CHANNEL_REQUEST)
        .int(channel)
        .text("exit-signal")
        .byte(0);
    packet.text(name).byte(0).text("\u{1b}[2Jkilled").text("")
}

/// Pours this once somebody is let in, and is silent otherwise: a shell does not begin in time, or more has come before the login
/// was known to be through than may.
fn poured(message: impl Fn(u32) -> Packet + Clone + Send + Sync + 'static) -> Nature {
    at(let_in, move |conn, _| {
        pour(conn, message.clone());
        conn.drain();
        Ok(())
    })
}

const LATE: &[&str] = &["did not begin within 5 s"];

fn before_the_change() -> Vec<Case> {
    let refuse = |moment: &Moment<'_>| {
        let packet = Packet::of(msg::CHANNEL_REFUSE).int(moment.channel()).int(1);
        Some(packet.text("\u{1b}[2Jnot for you").text(""))
    };
    vec![
        early("channel-refused", instead(opening, refuse), &["no channel"]),
        early("channel-never-opened", instead(opening, |_| None), LATE),
        early("command-never-begins", instead(running, |_| None), LATE),
        early(
            "packets-of-no-size",
            instead(opening, |m| Some(confirm(m.channel(), 2 << 20, 0))),
            &["Inconsistent state of the protocol"],
        ),
        early(
            "window-never-opens",
            instead(opening, |m| Some(confirm(m.channel(), 0, 32 << 10))),
            LATE,
        ),
        early(
            "status-and-no-shell",
            instead(running, |m| Some(exit_status(m.channel(), 3))),
            &["ended with status 3"],
        ),
        early(
            "shell-ends-without-status",
            instead(running, |m| Some(Packet::of(msg::CHANNEL_CLOSE).int(m.channel()))),
            &["without an exit status"],
        ),
        early(
            "shell-killed",
            instead(running, |m| Some(exit_signal(m.channel(), "KILL"))),
            &["ended with status 137"],
        ),
        early(
            "disconnected-when-let-in",
            at(let_in, |conn, _| {
                let words = format!("\u{1b}]0;owned\u{7}bye {}", "x".repeat(20_000));
                conn.send(&Packet::of(msg::DISCONNECT).int(11).text(words).text(""))
            }),
            &["the server ended it", "bye"],
        ),
        early(
            "silent-when-let-in",
            at(let_in, |conn, _| {
                conn.drain();
                Ok(())
            }),
            LATE,
        ),
        early(
            "half-a-packet",
            at(let_in, |conn, _| {
                conn.raw(&[0, 0, 0x40, 0, 1, 2, 3])?;
                conn.drain();
                Ok(())
            }),
            LATE,
        ),
        early(
            "packet-not-sealed",
            at(let_in, |conn, _| conn.raw(&[0, 0, 0, 32].repeat(40))),
            &["no channel"],
        ),
        early(
            "rekeys-for-ever",
            at(let_in, |conn, _| {
                loop {
                    conn.kex(&Kex::default())?;
                }
            }),
            LATE,
        ),
        early(
            "rekey-never-ends",
            at(let_in, |conn, _| {
                conn.send(&Kex::default().init())?;
                conn.drain();
                Ok(())
            }),
            LATE,
        ),
        early(
            "rekey-with-nothing-in-common",
            at(let_in, |conn, _| {
                let mut kex = Kex::default();
                kex.offers[0] = "none-of-yours".to_owned();
                conn.send(&kex.init())?;
                conn.drain();
                Ok(())
            }),
            &["no channel"],
        ),
        early(
            "ignores-for-ever",
            poured(|_| Packet::of(msg::IGNORE).text([0; 30_000])),
            LATE,
        ),
        early(
            "debugs-for-ever",
            poured(|_| Packet::of(msg::DEBUG).byte(1).text([b'd'; 30_000]).text("")),
            LATE,
        ),
        early(
            "asks-for-ever",
            poured(|_| Packet::of(msg::GLOBAL_REQUEST).text("what@ever").byte(1)),
            LATE,
        ),
        early(
            "keys-for-ever",
            poured(|_| {
                let keys = HostKey::fresh().blob();
                (0..200).fold(
                    Packet::of(msg::GLOBAL_REQUEST).text("hostkeys-00@openssh.com").byte(0),
                    |p, _| p.text(&keys),
                )
            }),
            LATE,
        ),
        early(
            "channels-for-ever",
            poured(|n| {
                Packet::of(msg::CHANNEL_OPEN)
                    .text("session")
                    .int(n)
                    .int(2 << 20)
                    .int(32 << 10)
            }),
            LATE,
        ),
        early(
            "tunnels-for-ever",
            poured(|n| {
                let packet = Packet::of(msg::CHANNEL_OPEN)
                    .text("forwarded-tcpip")
                    .int(n)
                    .int(2 << 20)
                    .int(32 << 10);
                packet.text("127.0.0.1").int(22).text("127.0.0.1").int(1)
            }),
            LATE,
        ),
        early(
            "says-too-much-before-it-begins",
            at(running, |conn, m| {
                let channel = m.channel();
                pour(conn, move |_| data(channel, [b'n'; 16_000]));
                conn.drain();
                Ok(())
            }),
            &["said more"],
        ),
        early(
            "says-bytes-before-it-begins",
            at(running, |conn, m| {
                let channel = m.channel();
                pour(conn, move |_| data(channel, "n"));
                conn.drain();
                Ok(())
            }),
            LATE,
        ),
    ]
}

fn at_the_change() -> Vec<Case> {
    let says = |message: fn(u32) -> Vec<Packet>| {
        at_change(move |conn, moment| {
            for packet in message(moment.channel()) {
                conn.send(&packet)?;
            }
            Ok(Go::Swallow)
        })
    };
    vec![
        lost(
            "closed-at-change",
            at_change(|_, _| Ok(Go::End)),
            &["127.0.0.1", "cannot be asked"],
        ),
        lost(
            "disconnected-at-change",
            says(|_| vec![Packet::of(msg::DISCONNECT).int(11).text("\u{1b}[2Jgoing down").text("")]),
            &["going down"],
        ),
        lost(
            "silent-at-change",
            at_change(|conn, _| {
                conn.drain();
                Ok(Go::End)
            }),
            &["127.0.0.1"],
        ),
        lost(
            "eof-at-change",
            says(|c| {
                vec![
                    Packet::of(msg::CHANNEL_EOF).int(c),
                    Packet::of(msg::CHANNEL_CLOSE).int(c),
                ]
            }),
            &["without an exit status"],
        ),
        lost(
            "status-twice",
            says(|c| {
                vec![
                    exit_status(c, 0),
                    exit_status(c, 1),
                    Packet::of(msg::CHANNEL_CLOSE).int(c),
                ]
            }),
            &["ended with status 1"],
        ),
        lost(
            "status-after-the-end",
            says(|c| {
                vec![
                    Packet::of(msg::CHANNEL_EOF).int(c),
                    exit_status(c, 0),
                    Packet::of(msg::CHANNEL_CLOSE).int(c),
                ]
            }),
            &["ended with status 0"],
        ),
        lost(
            "status-and-no-close",
            says(|c| vec![exit_status(c, 0)]),
            &["ended with status 0"],
        ),
        lost(
            "signal-of-no-name",
            says(|c| vec![exit_signal(c, "\u{1b}[2Jowned"), Packet::of(msg::CHANNEL_CLOSE).int(c)]),
            &["ended with status 128"],
        ),
        lost(
            "more-than-the-window",
            at_change(|conn, moment| {
                for _ in 0..400 {
                    conn.send(&data(moment.channel(), [b'w'; 32_000]))?;
                }
                conn.drain();
                Ok(Go::End)
            }),
            &["more than was asked for"],
        ),
        lost(
            "bytes-for-ever",
            at_change(|conn, moment| {
                let channel = moment.channel();
                pour(conn, move |_| data(channel, "b"));
                conn.drain();
                Ok(Go::End)
            }),
            &[],
        ),
        lost(
            "errors-for-ever",
            at_change(|conn, moment| {
                let channel = moment.channel();
                pour(conn, move |_| {
                    Packet::of(msg::CHANNEL_EXTENDED)
                        .int(channel)
                        .int(1)
                        .text([b'e'; 30_000])
                });
                conn.drain();
                Ok(Go::End)
            }),
            &[],
        ),
        lost(
            "answers-out-of-order",
            answers(|n| format!("{n} E 0\n{n} O\n")),
            &["where \"O\" was due"],
        ),
        lost(
            "status-is-no-number",
            answers(|n| format!("{n} O\n{n} E \u{1b}[2Jowned\n")),
            &[],
        ),
        lost(
            "answer-never-ends",
            answers(|n| format!("{n} O{}", "x".repeat(3 << 20))),
            &["more than was asked for"],
        ),
        lost(
            "another-key-when-asked",
            Nature {
                keys: vec![Arc::new(HostKey::fresh()), Arc::new(HostKey::fresh())],
                ..once_at_change(|_, _| Ok(Go::End))
            },
            &["THE HOST KEY HAS CHANGED", "SHA256:"],
        ),
        // What an honest host would never do, and what changes nothing.
        fine(
            "window-overflows",
            Nature {
                lie: Arc::new(|conn, moment, _| {
                    if let Moment::Input(channel, _) = moment {
                        for _ in 0..3 {
                            conn.send(&Packet::of(msg::WINDOW_ADJUST).int(*channel).int(u32::MAX))?;
                        }
                    }
                    Ok(Go::On)
                }),
                ..Nature::default()
            },
        ),
        fine(
            "channels-nobody-opened",
            Nature {
                lie: Arc::new(|conn, moment, _| {
                    if let Moment::Exec(..) = moment {
                        for kind in [
                            msg::WINDOW_ADJUST,
                            msg::CHANNEL_EOF,
                            msg::CHANNEL_CLOSE,
                            msg::CHANNEL_FAILURE,
                        ] {
                            let packet = Packet::of(kind).int(77);
                            conn.send(&if kind == msg::WINDOW_ADJUST {
                                packet.int(9)
                            } else {
                                packet
                            })?;
                        }
                        conn.send(&data(77, "for nobody"))?;
                        conn.send(&exit_status(77, 0))?;
                    }
                    Ok(Go::On)
                }),
                ..Nature::default()
            },
        ),
        fine(
            "channels-are-refused",
            Nature {
                lie: Arc::new(|conn, moment, _| {
                    if let Moment::LoggedIn = moment {
                        for kind in [
                            "session",
                            "x11",
                            "auth-agent@openssh.com",
                            "forwarded-tcpip",
                            "what@ever",
                        ] {
                            let open = Packet::of(msg::CHANNEL_OPEN)
                                .text(kind)
                                .int(9)
                                .int(1 << 20)
                                .int(1 << 15);
                            conn.send(&match kind {
                                "x11" => open.text("127.0.0.1").int(1),
                                "forwarded-tcpip" => open.text("127.0.0.1").int(22).text("127.0.0.1").int(1),
                                _ => open,
                            })?;
                            // An acceptance would be waited past for ever.
                            conn.expect(msg::CHANNEL_REFUSE)?;
                        }
                    }
                    Ok(Go::On)
                }),
                ..Nature::default()
            },
        ),
        fine(
            "rekeys-in-the-middle",
            Nature {
                lie: Arc::new(|conn, moment, _| {
                    if moment.is_change() {
                        for _ in 0..3 {
                            conn.kex(&Kex::default())?;
                        }
                    }
                    Ok(Go::On)
                }),
                ..Nature::default()
            },
        ),
        fine("lost-before-the-change-and-back", once_at_change(|_, _| Ok(Go::End))),
        // It was sent again for ever.
        Case {
            want: Want::NotSent,
            within: Duration::from_secs(2 * LIMIT),
            ..fine(
                "lost-at-every-start",
                Nature {
                    lie: Arc::new(|_, moment, _| Ok(if moment.is_change() { Go::End } else { Go::On })),
                    ..Nature::default()
                },
            )
        },
        fine("lost-under-a-file-and-back", under_a_file(false)),
        // It counted as failed.
        lost(
            "lost-under-a-file",
            under_a_file(true),
            &["the host cannot be asked", "127.0.0.1"],
        ),
    ]
}

/// Ends the connection as a file is to be put in place, and all later ones, if `for_ever`.
fn under_a_file(for_ever: bool) -> Nature {
    Nature {
        lie: Arc::new(move |_, moment, nth| match moment {
            _ if nth > 0 => Ok(if for_ever { Go::End } else { Go::On }),
            Moment::Input(_, said) if said.windows(6).any(|w| w == b"mv -f ") => {
                let said = String::from_utf8_lossy(said);
                Ok(if said.contains(FILE) { Go::End } else { Go::On })
            }
            _ => Ok(Go::On),
        }),
        ..Nature::default()
    }
}

/// Speaks the lane's own language: the nonce is the second word of each request.
fn answers(answer: fn(&str) -> String) -> Nature {
    at_change(move |conn, moment| {
        let Moment::Input(channel, said) = moment else {
            return Ok(Go::End);
        };
        let said = String::from_utf8_lossy(said).into_owned();
        let step = said
            .lines()
            .find(|line| line.contains(CHANGE) || line.starts_with("_s "));
        let nonce = step.and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
        for piece in answer(nonce).as_bytes().chunks(30_000) {
            conn.send(&data(*channel, piece))?;
        }
        conn.drain();
        Ok(Go::End)
    })
}

#[test]
fn a_host_that_lies_once_it_has_let_us_in_is_unreachable_and_nothing_was_sent() {
    checked("after the login", before_the_change());
}

#[test]
fn a_host_that_lies_when_the_change_was_sent_is_unknown_or_told_as_it_is() {
    let links = half_open_links().into_iter().chain([reset_link("reset-at-change")]);
    let cases = at_the_change().into_iter().chain(links);
    checked("in the middle of a change", cases.collect());
}
