//! What every transport promises. Each function is run once over SSH and once on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pitstop::id::RunId;
use pitstop::secret::Secret;
use pitstop::transport::{Command, How, LatchKey, LockNote, LockOutcome, Probe, Put, Request, Session, Sink, Stream};
use tokio::sync::watch;

pub use crate::streams::*;
pub use crate::together::*;

use crate::room::{Kept, Room, files, fresh_run, latched, lines, processes_with, request, run, until};

pub async fn exit_codes_come_back_exact(room: Room) {
    let session = room.connect().await;
    for status in [0, 1, 3, 7, 126, 127, 130, 255] {
        assert_eq!(
            run(&session, request(&format!("exit {status}"))).await.0,
            How::Exited(status)
        );
        assert_eq!(
            run(&session, latched(&format!("exit {status}"), &format!("k{status}")))
                .await
                .0,
            How::Exited(status)
        );
    }
    let killed = run(&session, request("kill -9 $(exec sh -c 'echo $PPID')")).await.0;
    if room.to.privilege.shell == "ksh93" {
        // Its subshells are no processes: the command ends its own recorder, and nobody can say how it ended.
        assert!(matches!(killed, How::Unknown(_)), "{killed:?}");
    } else {
        assert_eq!(killed, How::Exited(137));
    }
    assert!(matches!(run(&session, request("if true; do")).await.0, How::Exited(s) if s != 0));
    session.leave().await.unwrap();
}

pub async fn the_two_streams_stay_apart_and_exact(room: Room) {
    let session = room.connect().await;
    let (how, kept) = run(
        &session,
        request(r"printf 'a\000b\377\376'; printf 'E\200\n' >&2; printf 'no newline'"),
    )
    .await;
    assert_eq!(how, How::Exited(0));
    assert_eq!(kept.out, b"a\0b\xff\xfeno newline");
    assert_eq!(kept.err, b"E\x80\n");
    session.leave().await.unwrap();
}

pub async fn environment_and_standard_input_arrive_whole_and_on_no_command_line(room: Room) {
    let session = room.connect().await;
    let secret = "it's a \"secret\" $(id) `id` \\ \n two lines";
    let mut ask = latched("", "env/1");
    ask.command = Command::Shell(format!(
        "printf '%s|' \"$TOKEN\" \"$PITSTOP_STEP_KEY\"; cat; cat /proc/[0-9]*/cmdline >{}/all 2>/dev/null; true",
        room.home.display()
    ));
    ask.env = vec![("TOKEN".to_owned(), Secret::new(secret.to_owned()))];
    ask.stdin = Some(Secret::new("payload-8271\nwithout an end".to_owned()));
    let (how, kept) = run(&session, ask).await;
    assert_eq!(how, How::Exited(0));
    assert_eq!(
        String::from_utf8(kept.out).unwrap(),
        format!("{secret}|env/1|payload-8271\nwithout an end")
    );
    let seen = String::from_utf8_lossy(&std::fs::read(room.home.join("all")).unwrap()).into_owned();
    assert!(
        seen.contains(room.to.privilege.shell.split(" ").next().unwrap())
            && !seen.contains("two lines")
            && !seen.contains("payload-8271")
    );
    let (_, kept) = run(&session, request("cat; echo end")).await;
    assert_eq!(kept.out, b"end\n", "no standard input means none");
    let mut bad = request("true");
    bad.env = vec![("A;id".to_owned(), Secret::new("x".to_owned()))];
    assert!(matches!(run(&session, bad).await.0, How::NotSent(_)));
    session.leave().await.unwrap();
}

/// A channel that was closed in the middle was counted for ever: after four stopped steps there was none left, and a fifth "may
/// still run".
pub async fn steps_that_were_stopped_leave_room_for_the_next(room: Room) {
    let session = room.connect().await;
    let command = format!("echo begun; sleep {}", room.nap());
    for n in 0..6 {
        for ask in [request(&command), latched(&command, &format!("stopped/{n}"))] {
            let (how, out) = cancelled_after(&session, 1, ask).await;
            assert_eq!((how, out.as_slice()), (How::Cancelled, b"begun\n".as_slice()));
        }
    }
    session.leave().await.unwrap();
}

/// Standard input, and a command too long for a lane (with its environment), may hold secrets. Their files used to go with a
/// later step: stopped at its limit, or settled late, up to sixteen steps later.
pub async fn what_was_delivered_for_a_step_has_no_name_once_it_has_begun(room: Room) {
    let session = room.connect().await;
    let left = || {
        let mut left = files(Path::new(&session.facts().run_dir));
        left.retain(|path| path.extension().is_some_and(|kind| kind == "i" || kind == "x"));
        left
    };
    let long = format!("# {}\n", "x".repeat(100_000));
    for before in ["", &long] {
        let key = format!("secret/{}", before.len());
        let ends = format!("{before}cat; exit 3");
        let stays = format!("{before}cat; sleep {}", room.nap());
        for (how, ask) in [
            (How::Exited(3), request(&ends)),
            (How::Exited(3), latched(&ends, &key)),
            (How::Cancelled, request(&stays)),
            (How::Cancelled, latched(&stays, &format!("{key}/slow"))),
        ] {
            let ask = Request {
                stdin: Some(Secret::new("hunter2-8120".to_owned())),
                env: vec![("TOKEN".to_owned(), Secret::new("hunter3-8121".to_owned()))],
                ..ask
            };
            let (ended, out) = match how {
                How::Cancelled => cancelled_after(&session, 1, ask).await,
                _ => {
                    let (how, kept) = run(&session, ask).await;
                    (how, kept.out)
                }
            };
            assert_eq!((ended, out.as_slice()), (how, b"hunter2-8120".as_slice()));
            assert_eq!(left(), Vec::<PathBuf>::new());
        }
    }
    session.leave().await.unwrap();
}

/// A latched step is settled after the next one may have been sent: its output then stayed until the end.
pub async fn much_output_goes_with_the_step_after_its_settling(room: Room) {
    let session = room.connect().await;
    let much = "head -c 2000000 /dev/zero";
    let big = || {
        let all = files(Path::new(&session.facts().run_dir));
        all.iter()
            .filter(|path| std::fs::metadata(path).is_ok_and(|m| m.len() >= 2_000_000))
            .count()
    };
    assert_eq!(run(&session, latched(much, "big")).await.0, How::Exited(0));
    run(&session, request("true")).await;
    run(&session, request("true")).await;
    assert_eq!(big(), 1, "not before it is settled");
    session.acknowledge(vec![LatchKey::of("big")]).await;
    run(&session, request("true")).await;
    assert_eq!(big(), 0);
    let stopped = latched(&format!("{much}; sleep {}", room.nap()), "stopped");
    assert_eq!(cancelled_after(&session, 2_000_000, stopped).await.0, How::Cancelled);
    session.acknowledge(vec![LatchKey::of("stopped")]).await;
    run(&session, request("true")).await;
    assert_eq!(big(), 0);
    session.leave().await.unwrap();
}

pub async fn arguments_and_scripts_arrive_as_they_were(room: Room) {
    let session = room.connect().await;
    let mut argv = request("");
    argv.command = Command::Argv(
        ["printf", "%s.", "a b", "", "c'd", "*", "$HOME"]
            .map(str::to_owned)
            .to_vec(),
    );
    assert_eq!(run(&session, argv).await.1.out, b"a b..c'd.*.$HOME.");
    let mut script = latched("", "script/1");
    script.command = Command::Script {
        content: Arc::new(b"#!/bin/sh\nprintf '%s,' \"$@\"; exit 4\n".to_vec().into()),
        interpreter: None,
        args: vec!["x y".to_owned(), "z'".to_owned()],
    };
    let (how, kept) = run(&session, script).await;
    assert_eq!((how, kept.out.as_slice()), (How::Exited(4), b"x y,z',".as_slice()));
    let long = format!("# {}\necho long", "x".repeat(300_000));
    assert_eq!(run(&session, latched(&long, "long/1")).await.1.out, b"long\n");
    session.leave().await.unwrap();
}

pub async fn five_megabytes_of_output_come_whole(room: Room) {
    let session = room.connect().await;
    let command = "head -c 5000000 /dev/zero | tr '\\0' x; head -c 70000 /dev/zero | tr '\\0' y >&2";
    for ask in [request(command), latched(command, "big")] {
        let (how, kept) = run(&session, ask).await;
        assert_eq!(
            (how, kept.out.len(), kept.err.len()),
            (How::Exited(0), 5_000_000, 70_000)
        );
        assert!(kept.out.iter().all(|b| *b == b'x') && kept.err.iter().all(|b| *b == b'y'));
    }
    session.leave().await.unwrap();
}

/// Runs it until it has said so many bytes, then has it stopped.
async fn cancelled_after(session: &Arc<dyn Session>, bytes: usize, ask: Request) -> (How, Vec<u8>) {
    struct Stop(watch::Sender<bool>, usize, Vec<u8>);
    impl Sink for Stop {
        fn take(&mut self, stream: Stream, bytes: &[u8]) {
            if stream == Stream::Out {
                self.2.extend_from_slice(bytes);
                self.0
                    .send_if_modified(|stop| !std::mem::replace(stop, self.2.len() >= self.1));
            }
        }
    }
    let (sender, cancel) = watch::channel(false);
    let mut sink = Stop(sender, bytes, vec![]);
    let how = session.run(Request { cancel, ..ask }, &mut sink).await;
    (how, sink.2)
}

pub async fn output_of_a_long_step_comes_while_it_runs(room: Room) {
    let session = room.connect().await;
    let (how, out) = cancelled_after(&session, 1, latched("echo early; sleep 600", "live")).await;
    assert_eq!((how, out.as_slice()), (How::Cancelled, b"early\n".as_slice()));
    session.leave().await.unwrap();
}

pub async fn past_its_limit_a_command_that_ignores_term_is_proven_stopped(room: Room) {
    let session = room.connect().await;
    let word = room.nap();
    for latch in [None, Some(LatchKey::of("stubborn"))] {
        let mut ask = request(&format!(
            "trap '' TERM; echo begun; (trap '' TERM; sleep {word}) & sleep {word}; sleep {word}"
        ));
        ask.latch = latch;
        ask.timeout = Duration::from_millis(700);
        let begun = Instant::now();
        let (how, kept) = run(&session, ask).await;
        assert_eq!(how, How::TimedOut);
        assert_eq!(kept.out, b"begun\n");
        assert!(begun.elapsed() < Duration::from_secs(15));
        assert_eq!(processes_with(&format!("sleep {word}")), Vec::<String>::new());
    }
    assert_eq!(run(&session, request("echo still here")).await.1.out, b"still here\n");
    session.leave().await.unwrap();
}

pub async fn a_cancelled_command_is_proven_stopped(room: Room) {
    let session = room.connect().await;
    let (sender, cancel) = watch::channel(false);
    let sign = room.home.join("begun");
    let ask = Request {
        cancel,
        ..latched(&format!("echo x >{}; sleep 601", sign.display()), "cancel")
    };
    let work = tokio::spawn({
        let session = session.clone();
        async move { run(&session, ask).await }
    });
    until("the start of the step", || sign.exists()).await;
    sender.send_replace(true);
    let (how, _) = work.await.unwrap();
    assert_eq!(how, How::Cancelled);
    let before = Request {
        cancel: sender.subscribe(),
        ..latched("true", "cancel/2")
    };
    assert!(matches!(run(&session, before).await.0, How::NotSent(_)));
    session.leave().await.unwrap();
}

pub async fn a_key_starts_at_most_once(room: Room) {
    let session = room.connect().await;
    let count = room.home.join("count");
    let command = format!("echo once | tee -a {}; exit 5", count.display());
    for _ in 0..3 {
        let (how, kept) = run(&session, latched(&command, "same")).await;
        assert_eq!((how, kept.out.as_slice()), (How::Exited(5), b"once\n".as_slice()));
    }
    let slow = format!("echo twice >>{}; sleep 0.5; echo done; exit 6", count.display());
    // Who asks before the first has claimed the key makes sure that it never begins: that is safe, and not what is asked here.
    let second = async {
        until("the start of the first", || lines(&count) == 2).await;
        run(&session, latched(&slow, "both")).await
    };
    let (one, two) = tokio::join!(run(&session, latched(&slow, "both")), second);
    for (how, kept) in [one, two] {
        assert_eq!((how, kept.out.as_slice()), (How::Exited(6), b"done\n".as_slice()));
    }
    assert_eq!(lines(&count), 2);
    // Two at one instant: the second may ask before the first has claimed the key. Then it never begins, for both; else once.
    for n in 0..5 {
        let key = format!("instant/{n}");
        let before = lines(&count);
        let command = format!("echo thrice >>{}; exit 6", count.display());
        let (one, two) = tokio::join!(
            run(&session, latched(&command, &key)),
            run(&session, latched(&command, &key))
        );
        match (&one.0, &two.0) {
            (How::Exited(6), How::Exited(6)) => assert_eq!(lines(&count), before + 1),
            (How::NotSent(_), How::NotSent(_)) => assert_eq!(lines(&count), before),
            other => panic!("the two are told different things: {other:?}"),
        }
    }
    session.leave().await.unwrap();
}

pub async fn a_probe_tells_how_an_attempt_stands(room: Room) {
    // *Never* needs a directory that was there before this session.
    let _first = room.connect().await;
    let session = room.connect().await;
    let boot = session.facts().boot.clone();
    let ask = async |key: &str, boot: &str| {
        let mut kept = Kept::default();
        let stands = session.probe(&LatchKey::of(key), boot, None, &mut kept).await;
        (stands, kept.out)
    };
    run(&session, latched("echo out; exit 9", "done")).await;
    assert_eq!(ask("done", &boot).await, (Probe::Done(9), b"out\n".to_vec()));
    assert_eq!(ask("done", "another-boot").await.0, Probe::Done(9));
    assert_eq!(ask("never", &boot).await.0, Probe::Never);
    assert!(
        matches!(run(&session, latched("echo late", "never")).await.0, How::NotSent(_)),
        "poisoned"
    );
    assert_eq!(ask("lost", "another-boot").await.0, Probe::LostReboot);

    let sign = room.home.join("pid");
    let running = latched(
        &format!("sh -c 'echo $PPID >{0}.new; mv {0}.new {0}; sleep 602'", sign.display()),
        "running",
    );
    let work = tokio::spawn({
        let session = session.clone();
        async move { run(&session, running).await.0 }
    });
    until("the start of the step", || sign.exists()).await;
    assert_eq!(ask("running", &boot).await.0, Probe::Running);
    // The recorder is the parent of the step's shell: killed, it cannot write the end, and the step lives on.
    let record = Path::new(&session.facts().run_dir).join(format!("{}.s", LatchKey::of("running").0));
    let recorder = std::fs::read_to_string(record)
        .unwrap()
        .split(' ')
        .nth(2)
        .unwrap()
        .to_owned();
    assert!(
        std::process::Command::new("kill")
            .args(["-9", &recorder])
            .status()
            .unwrap()
            .success()
    );
    assert!(matches!(work.await.unwrap(), How::Unknown(_)));
    assert_eq!(ask("running", &boot).await.0, Probe::Orphan);
    let (sender, cancel) = watch::channel(true);
    let stop = Request {
        cancel,
        ..latched("", "running")
    };
    assert!(matches!(
        session
            .follow(&LatchKey::of("running"), stop, &mut Kept::default())
            .await,
        How::Unknown(_)
    ));
    drop(sender);
    let step = std::fs::read_to_string(&sign).unwrap();
    std::process::Command::new("pkill")
        .args(["-9", "-s", &recorder])
        .status()
        .unwrap();
    until("the end of the step", || {
        !Path::new(&format!("/proc/{}", step.trim())).exists() || zombie(step.trim())
    })
    .await;
    assert_eq!(ask("running", &boot).await.0, Probe::LostDied);
    session.leave().await.unwrap();
}

pub fn zombie(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|s| s.contains(") Z "))
}

pub async fn an_empty_claim_is_fenced_before_it_counts_as_never(room: Room) {
    let _first = room.connect().await;
    let session = room.connect().await;
    let key = LatchKey::of("half");
    let stem = Path::new(&session.facts().run_dir).join(&key.0);
    // As a runner leaves it that is killed between the open and the write.
    std::fs::write(stem.with_extension("s"), "").unwrap();
    let boot = session.facts().boot.clone();
    assert_eq!(
        session.probe(&key, &boot, None, &mut Kept::default()).await,
        Probe::Never
    );
    assert!(
        stem.with_extension("n").exists(),
        "whoever resumes in the middle of its claim sees this"
    );
    let sign = room.home.join("ran");
    let how = run(&session, latched(&format!("echo x >{}", sign.display()), "half"))
        .await
        .0;
    assert!(matches!(how, How::NotSent(_)) && !sign.exists(), "{how:?}");
    session.leave().await.unwrap();
}

pub async fn a_directory_that_is_a_link_is_not_used(room: Room) {
    let session = room.connect().await;
    let base = Path::new(&session.facts().run_dir).parent().unwrap().to_owned();
    session.leave().await.unwrap();
    session.close().await;
    let elsewhere = room.home.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &base).unwrap();
    let session = room.connect().await;
    assert!(
        session.facts().run_dir.starts_with("/var/tmp/.pitstop-"),
        "{}",
        session.facts().run_dir
    );
    assert_eq!(run(&session, latched("exit 3", "link")).await.0, How::Exited(3));
    session.leave().await.unwrap();
    assert_eq!(files(&elsewhere), Vec::<PathBuf>::new());
}

pub async fn after_a_cut_the_end_and_the_whole_output_are_known(room: Room) {
    let session = room.connect().await;
    let boot = session.facts().boot.clone();
    let count = room.home.join("count");
    let go = room.home.join("go");
    let command = format!(
        "echo x >>{}; head -c 200000 /dev/zero; while [ ! -e {} ]; do sleep 0.05; done; echo tail >&2; exit 42",
        count.display(),
        go.display()
    );
    let ask = latched(&command, "cut");
    let work = tokio::spawn({
        let (session, ask) = (session.clone(), ask.clone());
        async move { run(&session, ask).await.0 }
    });
    until("the start of the step", || lines(&count) == 1).await;
    if room.sshd.is_some() {
        room.cut();
        assert!(matches!(work.await.unwrap(), How::Unknown(_)));
    } else {
        work.abort();
        assert!(work.await.is_err());
    }
    drop(session);

    let session = room.connect().await;
    let key = LatchKey::of("cut");
    assert_eq!(
        session.probe(&key, &boot, None, &mut Kept::default()).await,
        Probe::Running
    );
    std::fs::write(&go, "").unwrap();
    let mut kept = Kept::default();
    assert_eq!(session.follow(&key, ask, &mut kept).await, How::Exited(42));
    assert_eq!((kept.out.len(), kept.err.as_slice()), (200_000, b"tail\n".as_slice()));
    assert_eq!(lines(&count), 1);
    session.acknowledge(vec![key]).await;
    session.leave().await.unwrap();
}

pub async fn a_lost_directory_never_proves_that_a_step_did_not_begin(room: Room) {
    let session = room.connect().await;
    let boot = session.facts().boot.clone();
    run(&session, latched("true", "swept")).await;
    let dir = session.facts().run_dir.clone();
    session.close().await;
    std::fs::remove_dir_all(dir).unwrap();
    let session = room.connect().await;
    let stands = session
        .probe(&LatchKey::of("swept"), &boot, None, &mut Kept::default())
        .await;
    assert_eq!(stands, Probe::LostDied);
    session.leave().await.unwrap();
}

fn put(dest: &Path, content: &[u8]) -> Put {
    Put {
        content: Arc::new(content.to_vec().into()),
        dest: dest.display().to_string(),
        mode: None,
        owner: None,
        validate: None,
        become_user: None,
        timeout: Duration::from_secs(30),
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub async fn a_file_arrives_whole_with_its_mode_or_not_at_all(room: Room) {
    let session = room.connect().await;
    let dest = room.home.join("it's a file");
    let big: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    session.put(put(&dest, &big)).await.unwrap();
    assert!(std::fs::read(&dest).unwrap() == big);
    assert_eq!(mode(&dest), 0o644);
    session
        .put(Put {
            mode: Some(0o4750),
            ..put(&dest, b"two")
        })
        .await
        .unwrap();
    assert_eq!(mode(&dest), 0o4750);
    session.put(put(&dest, b"three")).await.unwrap();
    assert_eq!(
        (mode(&dest), std::fs::read(&dest).unwrap()),
        (0o4750, b"three".to_vec()),
        "keeps the former mode"
    );
    let link = room.home.join("link");
    std::os::unix::fs::symlink(&dest, &link).unwrap();
    session.put(put(&link, b"four")).await.unwrap();
    assert_eq!(std::fs::read_link(&link).unwrap(), dest, "a link stays one");
    let refused = Put {
        validate: Some("grep -q good {} || { echo not good; exit 1; }".to_owned()),
        ..put(&dest, b"bad")
    };
    assert!(session.put(refused).await.unwrap_err().contains("not good"));
    assert_eq!(std::fs::read(&dest).unwrap(), b"four");
    let changing = Put {
        validate: Some("echo more >>{}".to_owned()),
        ..put(&dest, b"good")
    };
    assert!(
        session
            .put(changing)
            .await
            .unwrap_err()
            .contains("the validation changed it")
    );
    assert_eq!(std::fs::read(&dest).unwrap(), b"four");
    let accepted = Put {
        validate: Some("grep -q good {}".to_owned()),
        ..put(&dest, b"good")
    };
    session.put(accepted).await.unwrap();
    assert!(session.put(put(&room.home.join("no/such/dir"), b"x")).await.is_err());
    assert!(
        session
            .put(put(&room.home, b"x"))
            .await
            .unwrap_err()
            .contains("is a directory")
    );

    let mut kept = Kept::default();
    session.put(put(&dest, &big)).await.unwrap();
    session
        .get(&dest.display().to_string(), 3_000_000, None, &mut kept)
        .await
        .unwrap();
    assert!(kept.out == big);
    let mut small = Kept::default();
    assert!(
        session
            .get(&dest.display().to_string(), 1000, None, &mut small)
            .await
            .unwrap_err()
            .contains("larger")
    );
    assert!(small.out.len() <= 1000);
    assert!(
        session
            .get("/no/such/file", 10, None, &mut small)
            .await
            .unwrap_err()
            .contains("no such file")
    );
    session.leave().await.unwrap();
    assert_eq!(
        files(&room.home).len(),
        2,
        "no temporary file is left: {:?}",
        files(&room.home)
    );
}

pub async fn a_lock_is_held_by_one_run_and_given_back_by_it_alone(room: Room) {
    let session = room.connect().await;
    let other = fresh_run();
    let note = |run: &RunId| LockNote {
        run: run.to_string(),
        operator: "anna".to_owned(),
        controller: "ops1".to_owned(),
        at: "2026-12-06T01:00:03Z".to_owned(),
    };
    let mine = note(&room.to.run);
    // On this machine the lock is named after the machine: another test run may hold it for a moment.
    let end = Instant::now() + Duration::from_secs(30);
    while session.lock(&mine).await != Ok(LockOutcome::Taken) {
        assert!(Instant::now() < end, "the lock of this machine is held");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        session.lock(&mine).await,
        Ok(LockOutcome::Taken),
        "by the same run again"
    );
    assert_eq!(session.lock(&note(&other)).await, Ok(LockOutcome::Held(mine.clone())));
    assert!(session.unlock(&other).await.is_err());
    assert_eq!(session.lock(&note(&other)).await, Ok(LockOutcome::Held(mine)));
    session.leave().await.unwrap();
    session.unlock(&room.to.run).await.unwrap();
    session.unlock(&room.to.run).await.unwrap();
    assert!(
        matches!(run(&session, latched("true", "after")).await.0, How::NotSent(_)),
        "the run has left"
    );
    session.close().await;
    assert!(!Path::new(&session.facts().run_dir).exists());
}

pub async fn after_leaving_nothing_of_ours_is_left(room: Room) {
    let session = room.connect().await;
    let facts = session.facts().clone();
    assert!(facts.latch && facts.run_dir.ends_with(room.to.run.as_str()));
    assert!(!facts.os.is_empty() && !facts.kernel.is_empty() && !facts.boot.is_empty() && !facts.user.is_empty());
    assert_eq!(mode(Path::new(&facts.run_dir)), 0o700);
    run(&session, latched("echo x; sleep 0.6", "one")).await;
    run(&session, request("echo y")).await;
    run(
        &session,
        latched(&format!("sleep {}", room.nap()), "two").within(Duration::from_millis(50)),
    )
    .await;
    session.acknowledge(vec![LatchKey::of("one")]).await;
    session.leave().await.unwrap();
    session.close().await;
    session.close().await;
    drop(session);
    assert_eq!(files(&room.home), Vec::<PathBuf>::new());
    assert!(
        !Path::new(&facts.run_dir).parent().unwrap().exists(),
        "neither the run's directory nor the one above it"
    );
    until("the end of our shells", || {
        processes_with(room.to.run.as_str()).is_empty()
    })
    .await;
    assert_eq!(processes_with(&format!("sleep {}", room.nap())), Vec::<String>::new());
}

trait Within {
    fn within(self, limit: Duration) -> Self;
}

impl Within for Request {
    fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

pub async fn many_commands_run_beside_each_other(room: Room) {
    let session = room.connect().await;
    let work = (0..12).map(|n| {
        let session = session.clone();
        tokio::spawn(async move { run(&session, latched(&format!("sleep 0.2; echo {n}"), &format!("many/{n}"))).await })
    });
    for (n, task) in work.collect::<Vec<_>>().into_iter().enumerate() {
        let (how, kept) = task.await.unwrap();
        assert_eq!((how, kept.out), (How::Exited(0), format!("{n}\n").into_bytes()));
    }
    session.leave().await.unwrap();
}

/// True where the lane can run a step itself: where its subshells are processes.
fn runs_in_lane(room: &Room) -> bool {
    room.to.privilege.shell != "ksh93"
}

pub async fn what_changes_nothing_is_run_by_the_lane_itself(room: Room) {
    let session = room.connect().await;
    let shell = |ask: Request| async { String::from_utf8(run(&session, ask).await.1.out).unwrap() };
    let (first, second) = (shell(request("echo $$")).await, shell(request("echo $$")).await);
    assert_eq!(first == second, runs_in_lane(&room), "{first} {second}");
    assert_ne!(
        shell(latched("echo $$", "lane/1")).await,
        first,
        "what changes something has a session of its own"
    );
    // As if it were alone in its shell: nothing of ours, and nothing of the step before.
    let alone = "echo \"$x-$*-$#\"; pwd; umask; case $- in *[fCe]*) echo set ;; esac; f 2>/dev/null || echo none";
    let fresh = shell(request(alone)).await;
    assert!(
        fresh.starts_with("--0\n") && fresh.ends_with("\nnone\n") && !fresh.contains("set"),
        "{fresh}"
    );
    shell(request(
        "x=1; cd /; umask 0; set -f; exec 2>/dev/null; f() { :; }; trap 'echo trapped' EXIT",
    ))
    .await;
    assert_eq!(shell(request(alone)).await, fresh);
    // The words that frame an answer are 32 hex digits; the step's own name may be seen.
    let seen = shell(request(
        "set | grep -v PITSTOP_LATCH | grep -cE '[0-9a-f]{32}'; echo \"$_ $0 $*\" | grep -cE '[0-9a-f]{32}'",
    ))
    .await;
    assert_eq!(seen, "0\n0\n");
    session.leave().await.unwrap();
}

pub async fn what_a_step_left_running_says_nothing_in_the_next_one(room: Room) {
    let session = room.connect().await;
    let begun = Instant::now();
    let (how, kept) = run(&session, request("(sleep 1; echo late; echo late >&2) & echo now")).await;
    assert_eq!((how, kept.out.as_slice()), (How::Exited(0), b"now\n".as_slice()));
    assert!(begun.elapsed() < Duration::from_millis(900), "nobody waits for it");
    let (_, kept) = run(&session, request("sleep 2; echo next")).await;
    assert_eq!(
        (kept.out.as_slice(), kept.err.as_slice()),
        (b"next\n".as_slice(), b"".as_slice())
    );
    session.leave().await.unwrap();
}

/// Also what has no name of its own among the processes: a loop of the shell itself, whose parent has ended.
pub async fn past_its_limit_a_loop_of_the_shell_itself_is_proven_stopped(room: Room) {
    let session = room.connect().await;
    for latch in [None, Some(LatchKey::of("loop"))] {
        let note = room.home.join(format!("loop-{}", latch.is_some()));
        let mut ask = request(&format!(
            "( (while :; do :; done) & echo $! >{} ); sleep 600",
            note.display()
        ));
        ask.latch = latch;
        ask.timeout = Duration::from_millis(700);
        assert_eq!(run(&session, ask).await.0, How::TimedOut);
        let pid = std::fs::read_to_string(&note).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        assert!(stat.is_empty() || zombie(pid.trim()), "{stat}");
    }
    assert_eq!(run(&session, request("echo still here")).await.1.out, b"still here\n");
    session.leave().await.unwrap();
}

/// The command is not run where its output has no place, and nobody calls that its end.
pub async fn a_read_only_step_without_a_place_for_its_output_is_not_run(room: Room) {
    let session = room.connect().await;
    let sign = room.home.join("ran");
    let dir = session.facts().run_dir.clone();
    std::fs::remove_dir_all(&dir).unwrap();
    let (how, _) = run(&session, request(&format!("echo x >{}", sign.display()))).await;
    assert!(matches!(how, How::NotSent(_) | How::Unknown(_)), "{how:?}");
    assert!(!sign.exists());
}
