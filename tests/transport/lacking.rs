//! Hosts that lack what most have: programs that the latch and the files use are looked for, and something else is taken.

use std::sync::Arc;
use std::time::Duration;

use pitstop::id::Digest;
use pitstop::transport::{How, Put, look};

use crate::room::{Room, latched, processes_with, request, run};

const DIGESTS: [&str; 5] = ["sha256sum", "shasum", "openssl", "busybox", "perl"];

/// A latched step, and one that must be stopped with all it started.
async fn the_latch_holds(room: Room) {
    let session = room.connect().await;
    assert!(session.facts().latch);
    for _ in 0..2 {
        let (how, kept) = run(&session, latched("echo once; exit 4", "one")).await;
        assert_eq!((how, kept.out.as_slice()), (How::Exited(4), b"once\n".as_slice()));
    }
    let nap = room.nap();
    let slow = format!("trap '' TERM; sleep {nap} & sleep {nap}; sleep {nap}");
    let mut ask = latched(&slow, "slow");
    ask.timeout = Duration::from_millis(300);
    assert_eq!(run(&session, ask).await.0, How::TimedOut);
    assert_eq!(processes_with(&format!("sleep {nap}")), Vec::<String>::new());
    session.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_setsid_busybox_has_one() {
    the_latch_holds(Room::without(&["setsid"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_setsid_and_busybox_perl_makes_the_session() {
    the_latch_holds(Room::without(&["setsid", "busybox"])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_makes_a_session_the_host_is_attached_and_a_stop_is_unknown() {
    let room = Room::without(&["setsid", "busybox", "perl"]);
    let session = room.connect().await;
    assert!(!session.facts().latch);
    let (how, kept) = run(&session, request("echo $((6*7)); exit 3")).await;
    assert_eq!((how, kept.out.as_slice()), (How::Exited(3), b"42\n".as_slice()));
    let mut slow = request("sleep 19");
    slow.timeout = Duration::from_millis(300);
    assert!(matches!(run(&session, slow).await.0, How::Unknown(_)));
    session.leave().await.unwrap();
}

fn put(room: &Room) -> Put {
    Put {
        content: Arc::new((0..=255_u8).cycle().take(300_000).collect::<Vec<u8>>().into()),
        dest: room.home.join("file").display().to_string(),
        mode: Some(0o640),
        owner: None,
        validate: None,
        become_user: None,
        timeout: Duration::from_secs(20),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_program_that_makes_a_digest_is_enough() {
    for keep in DIGESTS {
        let lacking: Vec<&str> = DIGESTS.into_iter().filter(|p| *p != keep).collect();
        let room = Room::without(&lacking);
        let session = room.connect().await;
        let put = put(&room);
        session
            .put(put.clone())
            .await
            .unwrap_or_else(|why| panic!("{keep}: {why}"));
        let there = std::fs::read(&put.dest).unwrap();
        assert_eq!(Digest::of(&there), *put.content.digest(), "{keep}");
        // So is asked what stands there: without sha256sum an upload was called failed once it had been written.
        let (how, kept) = run(&session, request(&look::digest(&put.dest))).await;
        let said = String::from_utf8_lossy(&kept.out).into_owned();
        assert_eq!(
            (how, said.trim()),
            (How::Exited(0), put.content.digest().hex()),
            "{keep}"
        );
        session.leave().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_of_them_a_file_is_refused_and_the_reason_said() {
    let room = Room::without(&DIGESTS);
    let session = room.connect().await;
    let put = put(&room);
    let why = session.put(put.clone()).await.unwrap_err();
    assert!(why.contains("no program that makes a SHA-256"), "{why}");
    assert!(
        !std::path::Path::new(&put.dest).exists(),
        "nothing is put in place unproven"
    );
    session.leave().await.unwrap();
}
