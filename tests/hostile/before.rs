//! Lies before the login is through: nothing was sent, so the host is unreachable, within its limit.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pitstop::id::RunId;
use pitstop::secret::Secret;
use pitstop::transport::{ConnectError, Endpoint, SshOptions, SshTransport, Transport};

use crate::host::{Go, Host, Listens, Moment, Nature};
use crate::lies::{after_kex, at, dribble, flood, held, kex, raw, until};
use crate::room::{Case, checked};
use crate::sessions::{endpoint, options};
use crate::sshd::Sshd;
use crate::wire::{Conn, HostKey, ID, Kex, Packet, Then, Words, msg};

/// The identification, then these bytes, whatever they are.
fn first_packet(bytes: &[u8]) -> Nature {
    held([format!("{ID}\r\n").as_bytes(), bytes].concat())
}

/// Its length is that of what follows, its padding is not.
fn packet(length: u32, padding: u8, rest: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes(), [padding].as_slice(), rest].concat()
}

const ENDED: &str = "the server ended the connection before the login";
const LATE: &str = "no answer within 2 s";

fn lines() -> Vec<Case> {
    let says: &[&str] = &["127.0.0.1", LATE];
    let nobody = |listens| Nature {
        listens,
        ..Nature::default()
    };
    vec![
        Case::unreachable(
            "gone",
            nobody(Listens::Gone),
            &["connecting to gone (127.0.0.1:", "Connection refused"],
        ),
        // Not even its kernel answers.
        Case::unreachable("mute", nobody(Listens::Full), &["connecting to mute (127.0.0.1:", LATE]),
        Case::unreachable("silent", held(""), says),
        Case::unreachable("dribbled-line", dribble("SSH-2.0-slow"), says),
        Case::unreachable("half-a-line", held("SSH-2.0-"), says),
        Case::unreachable("closed-at-once", raw(|_| Ok(())), &["127.0.0.1", ENDED]),
        Case::unreachable(
            "max-startups",
            raw(|c| c.raw(b"Exceeded MaxStartups\r\n")),
            &["127.0.0.1", ENDED],
        ),
        Case::unreachable("old-version", held("SSH-1.5-old\r\n"), says),
        Case::unreachable(
            "endless-line",
            flood(vec![b'a'; 4096]),
            &["127.0.0.1", "invalid SSH version string"],
        ),
        Case::unreachable(
            "endless-lines",
            flood("lines\r\n"),
            &["127.0.0.1", "invalid SSH version string"],
        ),
        Case::unreachable(
            "zeros",
            flood(vec![0; 4096]),
            &["127.0.0.1", "invalid SSH version string"],
        ),
        Case::unreachable("web-server", held("HTTP/1.1 400 Bad Request\r\n\r\n"), says),
        Case::unreachable("escapes", held("\u{1b}]0;owned\u{7}\u{1b}[2J\r\n"), says),
        Case::unreachable("line-then-silence", held(format!("{ID}\r\n")), says),
        Case::unreachable(
            "line-then-end",
            raw(|c| c.raw(format!("{ID}\r\n").as_bytes())),
            &["127.0.0.1", ENDED],
        ),
    ]
}

fn lengths() -> Vec<Case> {
    let bad = |name, bytes: &[u8], says| Case {
        says: vec!["127.0.0.1", says],
        ..Case::unreachable(name, first_packet(bytes), &[])
    };
    let late = |name, bytes: &[u8]| Case::unreachable(name, first_packet(bytes), &["127.0.0.1", LATE]);
    vec![
        bad(
            "length-4-gib",
            &packet(u32::MAX, 4, &[20; 64]),
            "Bad packet size: 4294967295",
        ),
        bad(
            "length-256-mib",
            &packet(256 << 20, 4, &[20; 64]),
            "Bad packet size: 268435456",
        ),
        bad("length-0", &packet(0, 0, &[0; 64]), ENDED),
        bad("length-1", &packet(1, 0, &[0; 64]), ENDED),
        bad(
            "padding-more-than-all",
            &packet(16, 255, &[20; 15]),
            "Index out of bounds",
        ),
        late("padding-is-all", &packet(16, 15, &[20; 15])),
        late("length-never-comes", &packet(200_000, 4, &[20; 64])),
        bad(
            "kexinit-cut",
            &packet(28, 4, &Kex::default().init().0[..27]),
            "length invalid",
        ),
        bad(
            "kexinit-lists-lie",
            &{
                let mut message = Kex::default().init().0;
                message[17..21].copy_from_slice(&u32::MAX.to_be_bytes());
                message.resize(message.len() + 4, 0);
                packet(u32::try_from(message.len() + 1).unwrap(), 4, &message)
            },
            "overflow",
        ),
    ]
}

fn exchanges() -> Vec<Case> {
    let offers = |nth: usize, list: &str| {
        let list = list.to_owned();
        kex(|k| k.offers[nth] = list)
    };
    let unreachable = |name, nature, says| Case {
        says: vec!["127.0.0.1", says],
        ..Case::unreachable(name, nature, &[])
    };
    let other = HostKey::fresh();
    vec![
        unreachable("no-common-kex", offers(0, "none-of-yours"), "No common Kex"),
        unreachable("no-common-key", offers(1, "ssh-dss"), "No common Key"),
        unreachable("no-common-cipher", offers(2, "3des-cbc,none"), "No common Cipher"),
        unreachable(
            "ten-thousand-names",
            offers(0, &"a-name-that-nobody-knows,".repeat(10_000)),
            "length invalid",
        ),
        unreachable(
            "names-with-escapes",
            offers(0, "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n"),
            "No common Kex",
        ),
        unreachable("kex-of-none", offers(0, "none"), "No common Kex"),
        unreachable(
            "compression-only",
            offers(4, "zlib,zlib@openssh.com"),
            "No common Compression",
        ),
        unreachable(
            "no-mac",
            kex(|k| {
                k.offers[2] = "aes256-ctr".to_owned();
                k.offers[3] = "none".to_owned();
            }),
            "No common Mac",
        ),
        // All else is as with an honest host: who lets this pass is let in.
        unreachable(
            "strict-exchange-broken",
            kex(|k| {
                k.first = Some(Packet::of(msg::IGNORE).text("first"));
                k.offers[0].push_str(",kex-strict-s-v00@openssh.com");
            }),
            "Violation detected during strict key exchange",
        ),
        Case::unreachable(
            "forged-signature",
            kex(|k| k.forged = true),
            &["127.0.0.1", "Wrong server signature"],
        ),
        Case::unreachable(
            "another-key",
            Nature {
                keys: vec![Arc::new(HostKey::fresh())],
                kex: Kex {
                    shown: Some(other.blob()),
                    ..Kex::default()
                },
                ..Nature::default()
            },
            &["127.0.0.1", "Wrong server signature"],
        ),
        unreachable(
            "ephemeral-empty",
            kex(|k| k.ephemeral = Some(vec![])),
            "Key exchange failed",
        ),
        unreachable(
            "ephemeral-31-bytes",
            kex(|k| k.ephemeral = Some(vec![9; 31])),
            "Key exchange failed",
        ),
        unreachable(
            "ephemeral-33-bytes",
            kex(|k| k.ephemeral = Some(vec![9; 33])),
            "Key exchange failed",
        ),
        unreachable(
            "ephemeral-64-kib",
            kex(|k| k.ephemeral = Some(vec![9; 65_536])),
            "Key exchange failed",
        ),
        unreachable(
            "ephemeral-zero",
            kex(|k| k.ephemeral = Some(vec![0; 32])),
            "Key exchange failed",
        ),
        unreachable("key-of-no-kind", kex(|k| k.shown = Some(vec![0; 8])), "invalid label"),
        unreachable(
            "key-cut",
            kex(|k| k.shown = Some(Packet(vec![]).text("ssh-ed25519").int(32).0)),
            "length invalid",
        ),
        unreachable(
            "reply-cut",
            kex(|k| k.reply = |p| Packet(p.0[..40].to_vec())),
            "length invalid",
        ),
        unreachable(
            "reply-twice-as-long",
            kex(|k| k.reply = |p| Packet([p.0.clone(), p.0].concat())),
            "unexpected trailing data",
        ),
        unreachable(
            "reply-empty",
            kex(|k| k.reply = |_| Packet::of(msg::KEX_REPLY)),
            "length invalid",
        ),
        unreachable(
            "reply-of-another-kind",
            kex(|k| k.reply = |_| Packet::of(33).int(0)),
            "Key exchange init failed",
        ),
    ]
}

/// Closes, or falls silent, after each packet of an honest login: key exchange (3), service, key is good, let in.
fn stages() -> Vec<Case> {
    const CLOSED: [&str; 6] = ["closed-0", "closed-1", "closed-2", "closed-3", "closed-4", "closed-5"];
    const SILENT: [&str; 6] = ["silent-0", "silent-1", "silent-2", "silent-3", "silent-4", "silent-5"];
    let mut cases = Vec::new();
    for n in 0..6 {
        cases.push(Case::unreachable(
            SILENT[n],
            until(n, Then::Silence),
            &["127.0.0.1", LATE],
        ));
        let says: &[&str] = if n < 3 {
            &["127.0.0.1", ENDED]
        } else {
            &["127.0.0.1", "the connection ended"]
        };
        cases.push(Case::unreachable(CLOSED[n], until(n, Then::Close), says));
    }
    cases
}

fn logins() -> Vec<Case> {
    const TOO_MUCH: &[&str] = &["127.0.0.1", "more than 1 MiB before the login"];
    let answers = |name, packet: fn() -> Packet, says| {
        let nature = Nature {
            lie: Arc::new(move |conn, moment, _| match moment {
                Moment::Login(_) => conn.send(&packet()).map(|()| Go::Swallow),
                _ => Ok(Go::On),
            }),
            ..Nature::default()
        };
        Case::unreachable(name, nature, says)
    };
    let password = |case: Case| Case { password: true, ..case };
    vec![
        Case::unreachable(
            "ignore-flood",
            after_kex(|_| Packet::of(msg::IGNORE).text([0; 30_000])),
            TOO_MUCH,
        ),
        Case::unreachable(
            "debug-flood",
            after_kex(|_| Packet::of(msg::DEBUG).byte(1).text([b'd'; 30_000]).text("")),
            TOO_MUCH,
        ),
        Case::unreachable(
            "banner-flood",
            after_kex(|_| Packet::of(msg::USERAUTH_BANNER).text([b'b'; 30_000]).text("")),
            TOO_MUCH,
        ),
        Case::unreachable(
            "ext-info-flood",
            after_kex(|_| Packet::of(msg::EXT_INFO).int(1).text("x").text("y")),
            &["127.0.0.1", "Inconsistent state of the protocol"],
        ),
        Case::unreachable(
            "ext-info-count-lies",
            after_kex(|_| Packet::of(msg::EXT_INFO).int(u32::MAX)),
            &["127.0.0.1", "length invalid"],
        ),
        Case::unreachable(
            "channel-data-before-login",
            after_kex(|n| Packet::of(msg::CHANNEL_DATA).int(n).text([0; 1000])),
            &["127.0.0.1", "Inconsistent state of the protocol"],
        ),
        Case::unreachable(
            "refused-with-words",
            at(
                |moment| matches!(moment, Moment::Login(_)),
                |conn, _| {
                    let words = format!("\u{1b}[31mgo away\u{202e} {}", "x".repeat(20_000));
                    conn.send(&Packet::of(msg::DISCONNECT).int(14).text(words).text(""))
                },
            ),
            &["127.0.0.1", "the server ended it", "go away"],
        ),
        answers(
            "refused",
            || Packet::of(msg::USERAUTH_FAILURE).text("publickey").byte(0),
            &["127.0.0.1", "the one key that was offered was refused"],
        ),
        answers(
            "no-way-left",
            || Packet::of(msg::USERAUTH_FAILURE).text("").byte(0),
            &["127.0.0.1", "the one key that was offered was refused"],
        ),
        answers(
            "partly-let-in-for-ever",
            || Packet::of(msg::USERAUTH_FAILURE).text("publickey,password").byte(1),
            &["127.0.0.1", "wants more: publickey or password"],
        ),
        answers(
            "key-is-good-for-ever",
            || Packet::of(msg::USERAUTH_MORE).text("ssh-ed25519").text("key"),
            &["127.0.0.1", LATE],
        ),
        answers(
            "asked-for-what-was-not-offered",
            || Packet::of(63).int(7),
            &["127.0.0.1", "Inconsistent state of the protocol"],
        ),
        password(Case::unreachable(
            "password-refused-for-ever",
            interactive(None),
            &["127.0.0.1", "the password was refused"],
        )),
        password(Case::unreachable(
            "ten-thousand-prompts",
            interactive(Some((10_000, 10_000))),
            &["127.0.0.1", "asks something else"],
        )),
        password(Case::unreachable(
            "prompts-that-do-not-come",
            interactive(Some((u32::MAX, 1))),
            &["127.0.0.1", "Inconsistent state of the protocol"],
        )),
        password(Case::unreachable(
            "one-prompt-for-ever",
            interactive(Some((1, 1))),
            &["127.0.0.1", "takes the password and asks something else"],
        )),
    ]
}

/// Refuses passwords, then asks: so many prompts are announced, and so many come, with escapes in each.
fn interactive(prompts: Option<(u32, u32)>) -> Nature {
    let lie = move |conn: &mut Conn, moment: &Moment<'_>, _: usize| {
        let Moment::Login(message) = moment else {
            return Ok(Go::On);
        };
        let mut words = Words(&message[1..]);
        let (_user, _service, method) = (words.text()?, words.text()?, words.text()?);
        let left = match prompts {
            Some(_) => "keyboard-interactive",
            None => "password,keyboard-interactive",
        };
        let no = Packet::of(msg::USERAUTH_FAILURE).text(left).byte(0);
        match prompts.filter(|_| method == b"keyboard-interactive") {
            None => conn.send(&no)?,
            Some((told, sent)) => {
                let mut ask = Packet::of(msg::USERAUTH_MORE)
                    .text("\u{1b}[2Jname")
                    .text("\u{202e}words")
                    .text("")
                    .int(told);
                for _ in 0..sent {
                    ask = ask.text("\u{1b}[2JPassword:").byte(0);
                }
                conn.send(&ask)?;
                if sent == 1 && told == 1 {
                    // Each answer is answered by the same question.
                    while conn.recv()?.first() == Some(&61) {
                        conn.send(&ask)?;
                    }
                }
            }
        }
        Ok(Go::Swallow)
    };
    Nature {
        lie: Arc::new(lie),
        ..Nature::default()
    }
}

/// Questions, and whether what is typed would be shown.
type Round<'a> = &'a [(&'a str, bool)];

/// What a host is told that refuses keys and asks these questions, a round each.
async fn told(rounds: &[Round<'_>]) -> (Vec<Vec<u8>>, ConnectError) {
    let answers: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let heard = answers.clone();
    let mut questions = Vec::new();
    for round in rounds {
        let count = u32::try_from(round.len()).unwrap();
        let ask = Packet::of(msg::USERAUTH_MORE).text("").text("").text("").int(count);
        let with = |ask: Packet, (words, shown): &(&str, bool)| ask.text(words).byte(u8::from(*shown));
        questions.push(round.iter().fold(ask, with));
    }
    let host = Host::start(Nature {
        lie: Arc::new(move |conn, moment, _| {
            let Moment::Login(message) = moment else {
                return Ok(Go::On);
            };
            let mut words = Words(&message[1..]);
            let (_user, _service, method) = (words.text()?, words.text()?, words.text()?);
            if method == b"keyboard-interactive" {
                for ask in &questions {
                    conn.send(ask)?;
                    let answer = conn.recv()?;
                    if answer.first() != Some(&61) {
                        return Ok(Go::End);
                    }
                    heard.lock().unwrap().push(answer);
                }
            }
            let no = Packet::of(msg::USERAUTH_FAILURE).text("keyboard-interactive").byte(0);
            conn.send(&no).map(|()| Go::Swallow)
        }),
        ..Nature::default()
    });
    let to = Endpoint {
        password: Some(Secret::new(PASSWORD.to_owned())),
        ..endpoint(&host)
    };
    let refused = SshTransport::new(options()).connect(&to).await.err().unwrap();
    let answers = answers.lock().unwrap().clone();
    (answers, refused)
}

const PASSWORD: &str = "korrekt horse battery";

#[tokio::test]
async fn only_the_question_for_the_password_is_answered_with_it_and_only_once() {
    let all: &[(&[Round<'_>], usize, &str)] = &[
        (&[&[("Password: ", false)]], 1, "the password was refused"),
        (
            &[&[], &[("Password for ops:", false)], &[]],
            1,
            "the password was refused",
        ),
        (
            &[&[("Verification code: ", false)]],
            0,
            "asks something else: `Verification code:`",
        ),
        (
            &[&[("One-time password: ", false)]],
            0,
            "asks something else: `One-time password:`",
        ),
        (&[&[("Password: ", true)]], 0, "asks something else: `Password:`"),
        (
            &[&[("Password: ", false), ("Code: ", false)]],
            0,
            "asks something else: `Password:`",
        ),
        (
            &[&[("Password: ", false)], &[("Password: ", false)]],
            1,
            "takes the password and asks something else",
        ),
        (
            &[&[("Password: ", false)], &[("New password: ", false)]],
            1,
            "asks something else: `New password:`",
        ),
    ];
    for (rounds, times, why) in all {
        let (answers, refused) = told(rounds).await;
        let given = |answer: &&Vec<u8>| answer.windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes());
        assert_eq!(answers.iter().filter(given).count(), *times, "{rounds:?}: {refused:?}");
        assert!(
            refused.cause.contains(why) && !refused.transient,
            "{rounds:?}: {refused:?}"
        );
        assert!(!refused.to_string().contains(PASSWORD));
    }
}

#[test]
fn a_host_whose_first_lines_or_lengths_lie_is_unreachable_within_its_limit() {
    checked(
        "first lines and lengths",
        lines().into_iter().chain(lengths()).collect(),
    );
}

#[test]
fn a_host_whose_key_exchange_lies_or_ends_is_unreachable_within_its_limit() {
    checked("key exchange", exchanges().into_iter().chain(stages()).collect());
}

#[test]
fn a_host_that_lies_about_the_login_is_unreachable_within_its_limit() {
    checked("login", logins());
}

#[tokio::test]
async fn a_name_or_an_address_that_leads_nowhere_costs_no_more_than_the_limit() {
    let sshd = Sshd::start();
    let mut random = [0_u8; 6];
    getrandom::fill(&mut random).unwrap();
    let run = RunId::new(jiff::Timestamp::now(), random);
    // The second is an address for documents; whether the network refuses it or says nothing, it is bounded.
    for address in ["no-such-host.invalid", "192.0.2.1"] {
        let to = Endpoint {
            address: address.to_owned(),
            connect_timeout: Duration::from_secs(1),
            ..sshd.endpoint(&run)
        };
        let began = Instant::now();
        let error = SshTransport::new(SshOptions::from_env())
            .connect(&to)
            .await
            .err()
            .unwrap();
        assert!(error.transient && error.doing.contains(address), "{error:?}");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{error:?} after {:?}",
            began.elapsed()
        );
    }
}
