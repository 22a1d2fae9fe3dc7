//! Other users: sudo with and without a password, and hosts that have no place for the latch.
//!
//! Users are made and removed here, which only root can: for anybody else these tests fail and say so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pitstop::secret::Secret;
use pitstop::transport::{
    Endpoint, How, LatchKey, LockNote, LockOutcome, Method, Privilege, Probe, Put, Request, Session, SshTransport,
    Transport,
};
use tokio::sync::watch;

use crate::common::person::{Person, needs_root, program};
use crate::common::sshd::Sshd;
use crate::contract::zombie;
use crate::room::{Kept, Room, fresh_run, latched, lines, options, processes_with, request, run, until};

const PASSWORD: &str = "korrekt horse' battery";

fn endpoint(person: &Person, sshd: &Sshd, method: Method, password: Option<&str>) -> Endpoint {
    let password = password.map(|p| Secret::new(p.to_owned()));
    Endpoint {
        user: Some(person.name.clone()),
        privilege: Privilege {
            method,
            password,
            ..Privilege::default()
        },
        ..sshd.endpoint(&fresh_run())
    }
}

async fn connect(to: &Endpoint) -> Arc<dyn Session> {
    SshTransport::new(options()).connect(to).await.unwrap()
}

fn as_user(user: &str, request: Request) -> Request {
    Request {
        become_user: Some(user.to_owned()),
        ..request
    }
}

async fn a_step_as_another_user_keeps_every_promise(room: Room) {
    let session = room.connect().await;
    let boot = session.facts().boot.clone();
    let dir = tempfile::Builder::new().prefix("pitstop-nobody-").tempdir().unwrap();
    assert!(program("chmod", &["777", &dir.path().display().to_string()]));
    let count = dir.path().join("count");
    let command = format!("id -un; echo x >>{}; exit 4", count.display());
    for _ in 0..2 {
        let (how, kept) = run(&session, as_user("nobody", latched(&command, "n/1"))).await;
        assert_eq!((how, kept.out.as_slice()), (How::Exited(4), b"nobody\n".as_slice()));
    }
    assert_eq!(lines(&count), 1);
    let mut ask = as_user("nobody", latched("cat; echo \"$TOKEN\"", "n/2"));
    ask.stdin = Some(Secret::new("in ".to_owned()));
    ask.env = vec![("TOKEN".to_owned(), Secret::new("it's".to_owned()))];
    assert_eq!(run(&session, ask).await.1.out, b"in it's\n");
    let slow = as_user(
        "nobody",
        Request {
            timeout: Duration::from_millis(300),
            ..latched(&format!("sleep {}", room.nap()), "n/3")
        },
    );
    assert_eq!(run(&session, slow).await.0, How::TimedOut);
    assert_eq!(processes_with(&format!("sleep {}", room.nap())), Vec::<String>::new());
    // What changes nothing is run by the user's own lane, and stopped with all that it began.
    let shells = [
        run(&session, as_user("nobody", request("echo $$"))).await.1.out,
        run(&session, as_user("nobody", request("echo $$"))).await.1.out,
    ];
    assert_eq!(shells[0], shells[1]);
    let note = dir.path().join("loop");
    let mut ask = as_user(
        "nobody",
        request(&format!(
            "( (while :; do :; done) & echo $! >{} ); sleep {}",
            note.display(),
            room.nap()
        )),
    );
    ask.timeout = Duration::from_millis(700);
    assert_eq!(run(&session, ask).await.0, How::TimedOut);
    assert_eq!(processes_with(&format!("sleep {}", room.nap())), Vec::<String>::new());
    let pid = std::fs::read_to_string(&note).unwrap();
    assert!(zombie(pid.trim()) || !Path::new(&format!("/proc/{}", pid.trim())).exists());

    let dest = dir.path().join("file");
    let put = Put {
        content: Arc::new(b"content".to_vec().into()),
        dest: dest.display().to_string(),
        mode: Some(0o600),
        owner: None,
        validate: None,
        become_user: Some("nobody".to_owned()),
        timeout: Duration::from_secs(20),
    };
    session.put(put.clone()).await.unwrap();
    let owner = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).unwrap().uid()
    };
    assert_eq!(owner(&dest), 65534);
    session
        .put(Put {
            become_user: None,
            ..put.clone()
        })
        .await
        .unwrap();
    assert_eq!(owner(&dest), 65534, "the former owner is kept");
    session
        .put(Put {
            become_user: None,
            owner: Some("root:root".to_owned()),
            ..put
        })
        .await
        .unwrap();
    assert_eq!(owner(&dest), 0);
    let mut kept = Kept::default();
    assert!(
        session
            .get(&dest.display().to_string(), 100, Some("nobody"), &mut kept)
            .await
            .is_err()
    );
    session
        .get(&dest.display().to_string(), 100, None, &mut kept)
        .await
        .unwrap();
    assert_eq!(kept.out, b"content");

    let go = dir.path().join("go");
    let command = format!(
        "echo x >>{}; while [ ! -e {} ]; do sleep 0.05; done; exit 8",
        count.display(),
        go.display()
    );
    let ask = as_user("nobody", latched(&command, "n/4"));
    let work = tokio::spawn({
        let (session, ask) = (session.clone(), ask.clone());
        async move { run(&session, ask).await.0 }
    });
    until("the start of the step", || lines(&count) == 2).await;
    room.cut();
    work.abort();
    // It was aborted, or had ended by the cut.
    let _ = work.await;
    drop(session);
    let session = room.connect().await;
    let key = LatchKey::of("n/4");
    assert_eq!(
        session.probe(&key, &boot, Some("nobody"), &mut Kept::default()).await,
        Probe::Running
    );
    let never = session
        .probe(&LatchKey::of("n/5"), &boot, Some("nobody"), &mut Kept::default())
        .await;
    assert_eq!(never, Probe::Never);
    std::fs::write(&go, "").unwrap();
    assert_eq!(session.follow(&key, ask, &mut Kept::default()).await, How::Exited(8));
    session.close().await;
    // Whoever cleans up needs no memory of who the run became.
    let session = room.connect().await;
    session.leave().await.unwrap();
    assert!(!Path::new("/var/tmp/.pitstop-65534").join(room.to.run.as_str()).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_as_another_user_keeps_every_promise_here() {
    needs_root();
    a_step_as_another_user_keeps_every_promise(Room::local()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_as_another_user_keeps_every_promise_over_ssh() {
    needs_root();
    a_step_as_another_user_keeps_every_promise(Room::ssh()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_for_sudo_goes_to_its_question_and_nowhere_else() {
    needs_root();
    let (sshd, person) = (Sshd::start(), Person::new("a", PASSWORD));
    let ask = || {
        as_user(
            "root",
            latched("id -un; cat /proc/[0-9]*/cmdline | tr '\\0' ' '", "sudo/1"),
        )
    };

    let session = connect(&endpoint(&person, &sshd, Method::Sudo, Some(PASSWORD))).await;
    assert!(session.facts().latch && session.facts().user == person.name);
    let (how, kept) = run(&session, ask()).await;
    let said = String::from_utf8_lossy(&kept.out).into_owned();
    assert!(
        how == How::Exited(0) && said.starts_with("root\n") && !said.contains("battery"),
        "{how:?} {said}"
    );
    let slow = as_user(
        "root",
        Request {
            timeout: Duration::from_millis(300),
            ..latched("sleep 606", "sudo/2")
        },
    );
    assert_eq!(run(&session, slow).await.0, How::TimedOut);
    assert_eq!(processes_with("sleep 606"), Vec::<String>::new());
    session.leave().await.unwrap();
    assert!(!Path::new("/var/tmp").join(format!(".pitstop-{}", person.uid)).exists());

    for (method, password, want) in [
        (Method::Sudo, None, "password is required"),
        (Method::Sudo, Some("wrong password"), "refused the password"),
    ] {
        let session = connect(&endpoint(&person, &sshd, method, password)).await;
        let begun = Instant::now();
        let (how, _) = run(&session, ask()).await;
        assert!(
            matches!(&how, How::NotSent(why) if why.contains(want)),
            "{method:?} {want}: {how:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10));
        session.leave().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_not_the_password_s_fails_in_seconds() {
    let sshd = Sshd::with("PermitUserEnvironment yes");
    std::fs::create_dir(sshd.path("bin")).unwrap();
    std::fs::write(
        sshd.path("bin/sudo"),
        "#!/bin/sh\nprintf 'One-time code: ' >&2\nread x\n",
    )
    .unwrap();
    assert!(program("chmod", &["755", &sshd.path("bin/sudo").display().to_string()]));
    let key = std::fs::read_to_string(sshd.path("id.pub")).unwrap();
    let path = format!("environment=\"PATH={}:/usr/bin:/bin\"", sshd.path("bin").display());
    std::fs::write(sshd.path("authorized_keys"), format!("{path} {key}")).unwrap();
    let mut to = sshd.endpoint(&fresh_run());
    to.privilege.password = Some(Secret::new(PASSWORD.to_owned()));
    let session = connect(&to).await;
    let begun = Instant::now();
    let (how, _) = run(&session, as_user("nobody", request("true"))).await;
    assert!(
        matches!(&how, How::NotSent(why) if why.contains("One-time code")),
        "{how:?}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    session.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_logs_in_where_keys_do_not() {
    needs_root();
    let (sshd, person) = (Sshd::with("PasswordAuthentication yes"), Person::new("b", PASSWORD));
    for (password, good) in [(PASSWORD, true), ("wrong password", false)] {
        let to = Endpoint {
            identities: vec![],
            password: Some(Secret::new(password.to_owned())),
            ..endpoint(&person, &sshd, Method::Sudo, None)
        };
        match SshTransport::new(options()).connect(&to).await {
            Ok(session) if good => session.leave().await.unwrap(),
            Err(e) if !good => assert!(e.cause.contains("the password was refused") && !e.transient, "{e:?}"),
            other => panic!("{:?}", other.map(|_| "logged in")),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_a_place_for_the_latch_is_attached() {
    needs_root();
    let (sshd, person) = (Sshd::start(), Person::new("c", PASSWORD));
    let in_the_way = PathBuf::from(format!("/var/tmp/.pitstop-{}", person.uid));
    std::fs::write(&in_the_way, "").unwrap();
    let to = endpoint(&person, &sshd, Method::Sudo, None);
    let session = connect(&to).await;
    assert!(!session.facts().latch && session.facts().run_dir.is_empty() && !session.facts().boot.is_empty());

    let (how, kept) = run(&session, latched(r"printf 'a\000b'; echo err >&2; exit 6", "at/1")).await;
    assert_eq!(
        (how, kept.out.as_slice(), kept.err.as_slice()),
        (How::Exited(6), b"a\0b".as_slice(), b"err\n".as_slice())
    );
    let mut ask = request("echo \"$TOKEN\"; cat");
    ask.env = vec![("TOKEN".to_owned(), Secret::new("it's".to_owned()))];
    assert_eq!(run(&session, ask.clone()).await.1.out, b"it's\n");
    ask.stdin = Some(Secret::new("x".to_owned()));
    assert!(matches!(run(&session, ask).await.0, How::NotSent(why) if why.contains("no writable place")));
    let (how, kept) = run(&session, request("head -c 70000001 /dev/zero")).await;
    assert_eq!(
        (how, kept.out.len() as u64 + kept.skipped),
        (How::Exited(0), 70_000_001)
    );

    let stubborn = Request {
        timeout: Duration::from_millis(300),
        ..request("trap '' TERM; echo on; sleep 607; sleep 607")
    };
    let (how, kept) = run(&session, stubborn).await;
    assert_eq!((how, kept.out.as_slice()), (How::TimedOut, b"on\n".as_slice()));
    assert_eq!(processes_with("sleep 607"), Vec::<String>::new());
    let (sender, cancel) = watch::channel(true);
    assert!(matches!(
        run(
            &session,
            Request {
                cancel,
                ..request("true")
            }
        )
        .await
        .0,
        How::NotSent(_)
    ));
    drop(sender);

    let note = LockNote {
        run: to.run.to_string(),
        operator: "o".into(),
        controller: "c".into(),
        at: "t".into(),
    };
    assert_eq!(session.lock(&note).await, Ok(LockOutcome::Taken));
    session.unlock(&to.run).await.unwrap();
    assert!(matches!(
        session.probe(&LatchKey::of("x"), "b", None, &mut Kept::default()).await,
        Probe::NoAccess(_)
    ));
    // A number of seconds that no other test sleeps.
    let nap = format!("sleep 3.{}", person.uid);
    let slow = format!("echo begun; {nap}; true");
    let work = tokio::spawn({
        let session = session.clone();
        async move { run(&session, request(&slow)).await.0 }
    });
    until("the start of the step", || !processes_with(&nap).is_empty()).await;
    sshd.cut();
    assert!(matches!(work.await.unwrap(), How::Unknown(_)));
    std::fs::remove_file(in_the_way).unwrap();
}
