//! A command whose output streams: all of it comes, however much, none of it lies on the host, and it is stopped as any other.

use std::path::Path;
use std::time::{Duration, Instant};

use pitstop::transport::{How, Request, Sink, Stream};
use tokio::sync::watch;

use crate::room::{Room, files, processes_with, request, run, until};

/// Counts and looks at what came, and keeps none of it. Some room for thought behind each piece.
#[derive(Default)]
struct Counted {
    bytes: u64,
    wrong: u64,
    skipped: u64,
    slow: Option<Duration>,
}

impl Sink for Counted {
    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if stream == Stream::Out {
            let before = self.bytes;
            self.wrong += (before..).zip(bytes).filter(|(at, b)| **b != byte(*at)).count() as u64;
            self.bytes += bytes.len() as u64;
        }
        if let Some(pause) = self.slow {
            std::thread::sleep(pause);
        }
    }

    fn skip(&mut self, _: Stream, bytes: u64) {
        self.skipped += bytes;
    }
}

/// `yes 0123456` says this.
fn byte(at: u64) -> u8 {
    b"0123456\n"[usize::try_from(at % 8).unwrap()]
}

fn streams(command: &str) -> Request {
    Request {
        streams: true,
        ..request(command)
    }
}

/// 80 MiB, which is more than is kept of any other step, to somebody who is slower than the host.
pub async fn what_streams_comes_whole_and_lies_nowhere(room: Room) {
    let session = room.connect().await;
    let most = 80 << 20;
    let mut counted = Counted::default();
    let how = session
        .run(streams(&format!("yes 0123456 | head -c {most}; exit 3")), &mut counted)
        .await;
    assert_eq!(how, How::Exited(3));
    if room.to.privilege.shell == "ksh93" {
        // What it starts by itself could not be stopped there: it goes the way of every other step.
        assert_eq!(counted.bytes + counted.skipped, most);
    } else {
        assert_eq!((counted.bytes, counted.wrong, counted.skipped), (most, 0, 0));
        let left: u64 = files(Path::new(&session.facts().run_dir))
            .iter()
            .filter_map(|path| path.metadata().ok())
            .map(|file| file.len())
            .sum();
        assert!(left < 1 << 20, "{left} bytes lie on the host");
    }
    let mut slow = Counted {
        slow: Some(Duration::from_millis(20)),
        ..Counted::default()
    };
    let most = 8 << 20;
    let how = session
        .run(streams(&format!("yes 0123456 | head -c {most}")), &mut slow)
        .await;
    assert_eq!((how, slow.bytes, slow.wrong), (How::Exited(0), most, 0));
    session.leave().await.unwrap();
    assert_eq!(files(&room.home).iter().filter(|p| p.ends_with(".pitstop")).count(), 0);
}

pub async fn a_command_that_streams_has_its_end_its_words_and_its_environment(room: Room) {
    let session = room.connect().await;
    for status in [0, 1, 7, 127, 255] {
        let how = run(
            &session,
            streams(&format!("printf 'a\\000'; echo b >&2; exit {status}")),
        )
        .await;
        assert_eq!(
            (how.0, how.1.out, how.1.err),
            (How::Exited(status), b"a\0".to_vec(), b"b\n".to_vec())
        );
    }
    let mut ask = streams("printf '%s|' \"$TOKEN\" \"$PITSTOP_STEP_KEY\"; cat");
    ask.env = vec![("TOKEN".to_owned(), pitstop::secret::Secret::new("it's 8271".to_owned()))];
    ask.stdin = Some(pitstop::secret::Secret::new("in\n".to_owned()));
    let (how, kept) = run(&session, ask).await;
    assert_eq!(how, How::Exited(0));
    assert_eq!(
        String::from_utf8_lossy(&kept.out),
        "it's 8271|run/phase/step/host/1|in\n"
    );
    assert_eq!(run(&session, streams("true")).await.1.out, b"");
    assert_eq!(run(&session, request("echo after")).await.1.out, b"after\n");
    session.leave().await.unwrap();
}

/// At its limit and on the operator's wish, silent or in the middle of its words, and whatever it does about TERM.
pub async fn a_command_that_streams_is_proven_stopped(room: Room) {
    let session = room.connect().await;
    let nap = room.nap();
    for (n, text) in [
        format!("echo begun; sleep {nap}"),
        format!("trap '' TERM; echo begun; sleep {nap} & sleep {nap}; sleep {nap}"),
        format!("sleep {nap} & yes 0123456"),
    ]
    .iter()
    .enumerate()
    {
        let (sender, cancel) = watch::channel(false);
        let begun = room.home.join(format!("begun{n}"));
        let ask = Request {
            cancel,
            ..streams(&format!("echo x >{}; {text}", begun.display()))
        };
        let stop = async {
            until("its start", || begun.exists()).await;
            sender.send_replace(true);
        };
        let mut counted = Counted::default();
        let (how, ()) = tokio::join!(session.run(ask, &mut counted), stop);
        assert_eq!(how, How::Cancelled, "{text}");
        assert_eq!(processes_with(&format!("sleep {nap}")), Vec::<String>::new(), "{text}");
    }
    let mut late = streams(&format!("echo begun; sleep {nap}"));
    late.timeout = Duration::from_millis(700);
    let since = Instant::now();
    let (how, _) = run(&session, late).await;
    assert_eq!(how, How::TimedOut);
    assert!(since.elapsed() < Duration::from_secs(15));
    assert_eq!(processes_with(&format!("sleep {nap}")), Vec::<String>::new());
    assert_eq!(run(&session, streams("echo after")).await.1.out, b"after\n");
    session.leave().await.unwrap();
}
