//! Hosts behind real bastions: a lost bastion is a lost link, one connection serves so many hosts, nothing stays there.

use std::sync::Arc;

use pitstop::id::RunId;
use pitstop::transport::{Endpoint, How, LatchKey, Probe, SshOptions, SshTransport, Transport};

use crate::common::sshd::Sshd;
use crate::room::{Kept, fresh_run, latched, lines, options, run, until};

/// A host behind one bastion, or behind a row of them, the nearest first.
fn behind(run: &RunId, bastions: &[&Sshd], host: &Sshd) -> Endpoint {
    let jump = bastions
        .split_last()
        .map(|(last, before)| Box::new(behind(run, before, last)));
    Endpoint {
        jump,
        ..host.endpoint(run)
    }
}

fn logins(sshd: &Sshd) -> usize {
    let log = std::fs::read_to_string(sshd.path("log")).unwrap();
    log.matches("Accepted publickey").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_bastion_is_a_lost_link_and_the_end_of_a_step_is_learnt_over_the_next() {
    let (outer, inner, host) = (Sshd::start(), Sshd::start(), Sshd::start());
    let transport = Arc::new(SshTransport::new(options()));
    let to = behind(&fresh_run(), &[&outer, &inner], &host);
    let (count, go) = (host.path("count"), host.path("go"));
    let command = format!(
        "echo x >>{}; while [ ! -e {} ]; do sleep 0.05; done; echo done; exit 9",
        count.display(),
        go.display()
    );
    // Whichever of them is lost.
    for (n, lost) in [&outer, &inner].into_iter().enumerate() {
        let session = transport.connect(&to).await.unwrap();
        let boot = session.facts().boot.clone();
        let name = format!("behind/{n}");
        let work = tokio::spawn({
            let (session, request) = (session.clone(), latched(&command, &name));
            async move { run(&session, request).await.0 }
        });
        until("the start of the step", || lines(&count) == n + 1).await;
        lost.cut();
        let how = work.await.unwrap();
        assert!(matches!(how, How::Unknown(_)), "{how:?}");
        drop(session);
        // A new way is made; the step is the same and still at work.
        let session = transport.connect(&to).await.unwrap();
        let key = LatchKey::of(&name);
        let probe = session.probe(&key, &boot, None, &mut Kept::default()).await;
        assert_eq!(probe, Probe::Running);
        std::fs::write(&go, "").unwrap();
        let mut kept = Kept::default();
        let end = session.follow(&key, latched(&command, &name), &mut kept).await;
        assert_eq!((end, kept.out.as_slice()), (How::Exited(9), b"done\n".as_slice()));
        assert_eq!(lines(&count), n + 1, "begun once");
        std::fs::remove_file(&go).unwrap();
        session.close().await;
    }
    drop(transport);
    for sshd in [&host, &inner, &outer] {
        until("the end of the last connection", || sshd.sessions().is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_its_number_of_hosts_a_bastion_gets_a_second_connection_and_both_end_with_their_hosts() {
    let (gate, host) = (Sshd::start(), Sshd::start());
    let transport = SshTransport::new(SshOptions { behind: 2, ..options() });
    let id = fresh_run();
    let mut sessions = Vec::new();
    for (n, logged_in) in [1, 1, 2, 2, 3].into_iter().enumerate() {
        sessions.push(transport.connect(&behind(&id, &[&gate], &host)).await.unwrap());
        assert_eq!(logins(&gate), logged_in, "{n}");
    }
    for session in sessions {
        session.close().await;
    }
    until("the end of all connections to the bastion", || {
        gate.sessions().is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_to_a_bastion_is_shared_only_where_all_that_proves_it_is_the_same() {
    let (gate, host) = (Sshd::start(), Sshd::start());
    let transport = SshTransport::new(options());
    let id = fresh_run();
    let with = |change: &dyn Fn(&mut Endpoint)| {
        let mut to = behind(&id, &[&gate], &host);
        change(to.jump.as_mut().unwrap());
        to
    };
    let first = transport.connect(&with(&|_| {})).await.unwrap();
    let nobody = gate.trust("nobody", "");
    for (wrong, why) in [
        (
            with(&|gate| gate.known_hosts = vec![nobody.clone()]),
            "not in known_hosts",
        ),
        (
            with(&|gate| gate.way.key_name = Some("other".to_owned())),
            "not in known_hosts",
        ),
        (
            with(&|gate| gate.identities = vec![nobody.clone()]),
            "no key could be offered",
        ),
        (with(&|gate| gate.way.keys = false), "no key could be offered"),
    ] {
        match transport.connect(&wrong).await {
            Ok(_) => panic!("it went over a connection that was not proven for it: {why}"),
            Err(e) => assert!(e.cause.contains(why), "{e:?}"),
        }
    }
    assert_eq!((logins(&gate), logins(&host)), (1, 1));
    first.close().await;
}
