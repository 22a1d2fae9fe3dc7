//! What only SSH promises: whose key is trusted, which key logs in, and what servers do to connections.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command as Program;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pitstop::transport::{
    ConnectError, Endpoint, How, LatchKey, Probe, Put, Session, SshOptions, SshTransport, Transport,
};

use crate::common::sshd::{Sshd, keygen};
use crate::room::{Kept, fresh_run, latched, lines, options, request, run};

async fn connect(to: &Endpoint) -> Result<Arc<dyn Session>, ConnectError> {
    SshTransport::new(options()).connect(to).await
}

async fn refusal(to: &Endpoint) -> ConnectError {
    match connect(to).await {
        Ok(_) => panic!("it let us in"),
        Err(e) => e,
    }
}

#[tokio::test]
async fn only_a_host_s_own_listed_key_is_trusted() {
    let sshd = Sshd::start();
    keygen(&sshd.path("other"), "ed25519", "");
    let own = sshd.known_hosts_line();
    let key = |name: &str| std::fs::read_to_string(sshd.path(name)).unwrap();
    let other = format!("[127.0.0.1]:{} {}", sshd.port, key("other.pub"));
    for (lines, want) in [
        (String::new(), "not in known_hosts"),
        (other.clone(), "CHANGED"),
        (format!("{own}@revoked * {}", key("host_key.pub")), "revokes"),
        (
            format!("@cert-authority * {}", key("host_key.pub")),
            "certificate authority",
        ),
        (
            own.replace("[127.0.0.1]", "!127.0.0.1,[127.0.0.2]"),
            "not in known_hosts",
        ),
    ] {
        let to = Endpoint {
            known_hosts: vec![sshd.trust("kh", &lines)],
            ..sshd.endpoint(&fresh_run())
        };
        let e = refusal(&to).await;
        assert!(
            e.cause.contains(want) && e.cause.contains("SHA256:") && !e.transient,
            "{e:?}"
        );
        assert!(e.help.contains("ssh-keyscan"));
    }
    for lines in [
        format!("{other}{own}"),
        format!("# a comment\n\n{own}"),
        own.replace("127.0.0.1", "127.0.?.*"),
    ] {
        let to = Endpoint {
            known_hosts: vec![sshd.trust("kh", &lines)],
            ..sshd.endpoint(&fresh_run())
        };
        let session = connect(&to).await.unwrap();
        assert!(session.facts().host_key.starts_with("SHA256:"));
        assert!(session.facts().algorithms.contains("curve25519") || session.facts().algorithms.contains("mlkem"));
        assert!(session.facts().algorithms.contains("aes256-gcm"));
        session.leave().await.unwrap();
    }
    let hashed = sshd.trust("hashed", &own);
    assert!(
        Program::new("ssh-keygen")
            .args(["-q", "-H", "-f"])
            .arg(&hashed)
            .status()
            .unwrap()
            .success()
    );
    assert!(std::fs::read_to_string(&hashed).unwrap().starts_with("|1|"));
    let to = Endpoint {
        known_hosts: vec![hashed],
        ..sshd.endpoint(&fresh_run())
    };
    connect(&to).await.unwrap().leave().await.unwrap();
}

#[tokio::test]
async fn the_server_is_asked_for_the_key_type_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("rsa");
    keygen(&key, "rsa", "");
    let sshd = Sshd::with(&format!("HostKey {}", key.display()));
    let rsa = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let line = format!("[127.0.0.1]:{} {rsa}", sshd.port);
    let to = Endpoint {
        known_hosts: vec![sshd.trust("kh", &line)],
        ..sshd.endpoint(&fresh_run())
    };
    let session = connect(&to).await.unwrap();
    assert!(
        session.facts().algorithms.contains("rsa-sha2-512"),
        "{}",
        session.facts().algorithms
    );
    session.leave().await.unwrap();
}

#[tokio::test]
async fn a_login_says_which_keys_were_refused_and_why_others_were_not_offered() {
    let sshd = Sshd::start();
    keygen(&sshd.path("wrong"), "ed25519", "");
    keygen(&sshd.path("locked"), "ed25519", "a passphrase");
    keygen(&sshd.path("rsa"), "rsa", "");
    let with = |names: &[&str]| Endpoint {
        identities: names.iter().map(|n| sshd.path(n)).collect(),
        ..sshd.endpoint(&fresh_run())
    };
    let e = refusal(&with(&["wrong"])).await;
    assert!(
        e.cause.contains("refused") && !e.transient && e.help.contains("ssh-add"),
        "{e:?}"
    );
    let e = refusal(&with(&["locked"])).await;
    assert!(
        e.cause.contains("needs a passphrase") && e.cause.contains("ssh-add"),
        "{e:?}"
    );
    let e = refusal(&with(&["no-such-file"])).await;
    assert!(e.cause.contains("no-such-file cannot be read"), "{e:?}");
    connect(&with(&["wrong", "id"])).await.unwrap().leave().await.unwrap();
    for more in ["wrong2", "wrong3"] {
        keygen(&sshd.path(more), "ed25519", "");
    }
    let e = refusal(&with(&["wrong", "wrong2", "wrong3", "id"])).await;
    assert!(e.cause.contains("3 keys"), "at most three are offered: {e:?}");
    // One that is named twice is offered once.
    connect(&with(&["wrong", "wrong", "wrong", "id"]))
        .await
        .unwrap()
        .leave()
        .await
        .unwrap();
    std::fs::copy(sshd.path("rsa.pub"), sshd.path("authorized_keys")).unwrap();
    connect(&with(&["rsa"])).await.unwrap().leave().await.unwrap();
}

#[tokio::test]
async fn a_key_in_the_agent_logs_in_also_for_its_locked_file() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent");
    let mut agent = Program::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while !socket.exists() {
        assert!(Instant::now() < end, "the agent did not start");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let added = Program::new("ssh-add")
        .arg("-q")
        .arg(sshd.path("id"))
        .env("SSH_AUTH_SOCK", &socket)
        .status()
        .unwrap();
    assert!(added.success());
    let lock = Program::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "secret!!", "-f"])
        .arg(sshd.path("id"))
        .status();
    assert!(lock.unwrap().success());
    let transport = SshTransport::new(SshOptions {
        agent: Some(socket),
        ..options()
    });
    for identities in [vec![], vec![sshd.path("id")]] {
        let to = Endpoint {
            identities,
            ..sshd.endpoint(&fresh_run())
        };
        transport.connect(&to).await.unwrap().leave().await.unwrap();
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_logins_pass_a_server_that_refuses_beyond_two() {
    let sshd = Sshd::with("MaxStartups 2:100:2");
    let transport = Arc::new(SshTransport::new(options()));
    let run_id = fresh_run();
    let logins = (0..20).map(|_| {
        let (transport, to) = (transport.clone(), sshd.endpoint(&run_id));
        tokio::spawn(async move { transport.connect(&to).await.map(|s| s.facts().user.clone()) })
    });
    for login in logins.collect::<Vec<_>>() {
        assert!(login.await.unwrap().is_ok());
    }
    connect(&sshd.endpoint(&run_id)).await.unwrap().leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_that_nobody_drains_does_not_hold_its_neighbours() {
    let sshd = Sshd::start();
    let session = connect(&sshd.endpoint(&fresh_run())).await.unwrap();
    let big = sshd.path("big");
    std::fs::write(&big, vec![7_u8; 50 << 20]).unwrap();
    let (path, mut kept) = (big.display().to_string(), Kept::default());
    let mut flood = session.get(&path, 60 << 20, None, &mut kept);
    // Begun, and then polled by nobody: its channel must be drained all the same.
    assert!(
        tokio::time::timeout(Duration::from_millis(20), &mut flood)
            .await
            .is_err()
    );
    for n in 0..10 {
        let begun = Instant::now();
        assert_eq!(run(&session, request(&format!("echo {n}"))).await.0, How::Exited(0));
        assert!(begun.elapsed() < Duration::from_secs(5), "a neighbour was held");
    }
    flood.await.unwrap();
    assert_eq!(kept.out.len(), 50 << 20, "and the flood itself came whole");
    session.leave().await.unwrap();
}

#[tokio::test]
async fn output_past_the_cap_is_counted_exactly() {
    let sshd = Sshd::start();
    let session = connect(&sshd.endpoint(&fresh_run())).await.unwrap();
    let (how, kept) = run(&session, latched("head -c 70000001 /dev/zero", "flood")).await;
    assert_eq!(how, How::Exited(0));
    assert_eq!(
        (kept.out.len() as u64, kept.skipped),
        (pitstop::transport::KEPT, 70_000_001 - pitstop::transport::KEPT)
    );
    session.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_behind_a_bastion_share_one_login_at_it() {
    let bastion = Sshd::start();
    let hosts: Vec<Sshd> = (0..3).map(|_| Sshd::start()).collect();
    let transport = Arc::new(SshTransport::new(options()));
    let run_id = fresh_run();
    let work = hosts.iter().map(|host| {
        let to = Endpoint {
            jump: Some(Box::new(bastion.endpoint(&run_id))),
            ..host.endpoint(&run_id)
        };
        let transport = transport.clone();
        tokio::spawn(async move {
            let session = transport.connect(&to).await.unwrap();
            let (how, kept) = run(&session, latched("head -c 1000000 /dev/zero; exit 3", "jump")).await;
            assert_eq!((how, kept.out.len()), (How::Exited(3), 1_000_000));
            session
        })
    });
    let mut sessions = Vec::new();
    for task in work.collect::<Vec<_>>() {
        sessions.push(task.await.unwrap());
    }
    let log = std::fs::read_to_string(bastion.path("log")).unwrap();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    for session in &sessions {
        session.leave().await.unwrap();
    }
    bastion.cut();
    let gone = run(&sessions[0], request("true")).await.0;
    assert!(matches!(gone, How::Unknown(_) | How::NotSent(_)), "{gone:?}");
    let to = Endpoint {
        jump: Some(Box::new(bastion.endpoint(&run_id))),
        ..hosts[0].endpoint(&run_id)
    };
    transport.connect(&to).await.unwrap().leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hosts_behind_a_dead_bastion_cost_one_limit() {
    let host = Sshd::start();
    let limit = Duration::from_secs(1);
    let dead = Endpoint {
        port: odd_server(b"", true),
        connect_timeout: limit,
        ..host.endpoint(&fresh_run())
    };
    let to = Endpoint {
        jump: Some(Box::new(dead)),
        connect_timeout: limit,
        ..host.endpoint(&fresh_run())
    };
    let transport = Arc::new(SshTransport::new(options()));
    let begun = Instant::now();
    let work = (0..12).map(|_| {
        let (transport, to) = (transport.clone(), to.clone());
        tokio::spawn(async move { transport.connect(&to).await.err().map(|e| e.transient) })
    });
    for task in work.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), Some(true));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Ten hosts at a time, forty behind a dead bastion: they took four limits, two hundred would have taken twenty.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_whose_turn_comes_later_share_the_failure_of_a_dead_bastion_for_a_while() {
    let host = Sshd::start();
    let limit = Duration::from_secs(2);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = Endpoint {
        port: listener.local_addr().unwrap().port(),
        connect_timeout: limit,
        ..host.endpoint(&fresh_run())
    };
    let to = Endpoint {
        jump: Some(Box::new(dead)),
        connect_timeout: limit,
        ..host.endpoint(&fresh_run())
    };
    let tried = Arc::new(AtomicUsize::new(0));
    let count = tried.clone();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            count.fetch_add(1, Ordering::SeqCst);
            held.push(stream);
        }
    });
    let transport = SshTransport::new(options());
    for _ in 0..20 {
        assert!(transport.connect(&to).await.is_err());
    }
    assert_eq!(tried.load(Ordering::SeqCst), 1);
    // And no longer: it may be back.
    let end = Instant::now() + limit * 10;
    while tried.load(Ordering::SeqCst) == 1 && Instant::now() < end {
        assert!(transport.connect(&to).await.is_err());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(tried.load(Ordering::SeqCst), 2);
}

/// A server that answers each connection with these bytes, and then with `then`.
fn odd_server(first: &'static [u8], hold: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                // The client may be gone already; then there is nothing to be odd to.
                let _ = stream.write_all(first);
                let mut sent = Vec::new();
                while hold && stream.read_to_end(&mut sent).is_ok_and(|n| n > 0) {}
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_silent_odd_or_gone_costs_no_more_than_the_limit() {
    let sshd = Sshd::start();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, transient) in [
        (gone, true),
        (odd_server(b"", true), true),
        (odd_server(b"", false), true),
        (odd_server(b"Exceeded MaxStartups\r\n", false), true),
        (odd_server(b"SSH-2.0-odd\r\n", true), true),
        (
            odd_server(
                b"SSH-2.0-odd\r\n\x00\x00\xff\xff\x04\x14garbage garbage garbage garbage garbage",
                true,
            ),
            false,
        ),
        (odd_server(b"HTTP/1.1 400 Bad Request\r\n\r\n", true), true),
    ] {
        let to = Endpoint {
            port,
            connect_timeout: Duration::from_secs(1),
            ..sshd.endpoint(&fresh_run())
        };
        let begun = Instant::now();
        let e = refusal(&to).await;
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{e:?} after {:?}",
            begun.elapsed()
        );
        assert!(!e.cause.is_empty() && !e.help.is_empty());
        assert!(e.transient || !transient, "{e:?}");
    }
}

#[tokio::test]
async fn a_login_shell_that_never_begins_is_told_within_the_limit() {
    let sshd = Sshd::with("ForceCommand cat >/dev/null");
    let to = Endpoint {
        connect_timeout: Duration::from_secs(1),
        ..sshd.endpoint(&fresh_run())
    };
    let e = refusal(&to).await;
    assert!(
        e.cause.contains("did not begin") && e.help.contains("forced command"),
        "{e:?}"
    );
    let sshd = Sshd::with("ForceCommand echo this account is restricted >&2; exit 1");
    let e = refusal(&sshd.endpoint(&fresh_run())).await;
    assert!(e.cause.contains("status 1") && e.cause.contains("restricted"), "{e:?}");
    let sshd = Sshd::with("ForceCommand yes");
    let begun = Instant::now();
    let e = refusal(&sshd.endpoint(&fresh_run())).await;
    assert!(
        e.cause.contains("said more") && begun.elapsed() < Duration::from_secs(10),
        "{e:?}"
    );
}

#[tokio::test]
async fn files_go_through_the_shell_where_there_is_no_sftp() {
    let sshd = Sshd::with("Subsystem sftp /bin/false");
    let session = connect(&sshd.endpoint(&fresh_run())).await.unwrap();
    let mut ask = latched("cat", "no-sftp");
    ask.stdin = Some(pitstop::secret::Secret::new("through the shell".to_owned()));
    assert_eq!(run(&session, ask).await.1.out, b"through the shell");
    session.leave().await.unwrap();
}

/// An answer that the library awaits for 30 s, and that no server without SFTP ever gives, held up each file.
#[tokio::test]
async fn a_file_does_not_wait_for_an_sftp_that_the_server_does_not_have() {
    for line in ["# no Subsystem", "Subsystem sftp /bin/false", "Subsystem sftp /bin/cat"] {
        let sshd = Sshd::with(line);
        for n in 0..10 {
            let session = connect(&sshd.endpoint(&fresh_run())).await.unwrap();
            let dest = sshd.home().join(format!("file{n}"));
            let put = Put {
                content: Arc::new(b"through the shell".to_vec().into()),
                dest: dest.display().to_string(),
                mode: None,
                owner: None,
                validate: None,
                become_user: None,
                timeout: Duration::from_secs(20),
            };
            session.put(put).await.unwrap_or_else(|why| panic!("{line}: {why}"));
            assert_eq!(std::fs::read(dest).unwrap(), b"through the shell");
            session.leave().await.unwrap();
        }
    }
}

#[tokio::test]
async fn control_without_the_latch_the_same_attempt_starts_twice() {
    let sshd = Sshd::start();
    let count = sshd.path("count");
    let transport = SshTransport::new(SshOptions {
        latch: false,
        ..options()
    });
    let session = transport.connect(&sshd.endpoint(&fresh_run())).await.unwrap();
    for _ in 0..2 {
        run(&session, latched(&format!("echo x >>{}", count.display()), "same")).await;
    }
    assert_eq!(
        lines(&count),
        2,
        "or the promise is kept by something else than the latch"
    );
    let key = LatchKey::of("same");
    assert_eq!(
        session
            .probe(&key, &session.facts().boot, None, &mut Kept::default())
            .await,
        Probe::Never
    );
    session.leave().await.unwrap();
}

#[test]
fn fifteen_servers_start_at_once() {
    let begun = Instant::now();
    let started: Vec<_> = (0..15).map(|_| std::thread::spawn(Sshd::start)).collect();
    let servers: Vec<Sshd> = started.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(servers.len(), 15);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
