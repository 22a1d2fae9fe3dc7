//! Commands that change nothing, several in one go: the promises of one, and that none begins after one that did not end well.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pitstop::transport::{Each, How, Request, Session, Sink};
use tokio::sync::watch;

use crate::room::{Kept, Room, files, processes_with, request, run, until};

/// Keeps what came of each.
#[derive(Default)]
struct Several {
    kept: Vec<Kept>,
    hows: Vec<How>,
}

impl Each for Several {
    fn sink(&mut self, nth: usize) -> &mut dyn Sink {
        self.kept.resize_with(self.kept.len().max(nth + 1), Kept::default);
        &mut self.kept[nth]
    }

    fn ended(&mut self, nth: usize, how: How) {
        assert_eq!(nth, self.hows.len(), "each is told once, in order");
        self.hows.push(how);
    }
}

async fn together(session: &Arc<dyn Session>, requests: &[Request], hold: watch::Receiver<bool>) -> Several {
    let mut several = Several::default();
    session.run_reads(requests, hold, &mut several).await;
    assert_eq!(several.hows.len(), requests.len());
    several
}

fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}

fn not_sent(how: &How) -> bool {
    matches!(how, How::NotSent(_))
}

pub async fn reads_sent_together_run_in_order_until_one_fails(room: Room) {
    let session = room.connect().await;
    let (sign, order) = (room.home.join("sign"), room.home.join("order"));
    let note = |text: &str| request(&format!("echo {text} >>{}; {text}", order.display()));
    let mut secret = note("printf %s \"$TOKEN\"");
    secret.env = vec![("TOKEN".to_owned(), pitstop::secret::Secret::new("it's 8271".to_owned()))];
    let requests = [
        note("echo one"),
        note("echo two >&2"),
        secret,
        note("head -c 200000 /dev/zero"),
        request("echo five; exit 3"),
        request(&format!("echo x >{}", sign.display())),
        request("echo seven"),
    ];
    for _ in 0..2 {
        std::fs::write(&order, "").unwrap();
        let came = together(&session, &requests, never()).await;
        assert_eq!(
            came.hows[..5],
            [
                How::Exited(0),
                How::Exited(0),
                How::Exited(0),
                How::Exited(0),
                How::Exited(3)
            ]
        );
        assert!(came.hows[5..].iter().all(not_sent), "{:?}", came.hows);
        let said: Vec<&[u8]> = came.kept.iter().take(5).map(|k| k.out.as_slice()).collect();
        assert_eq!(said, [b"one\n".as_slice(), b"", b"it's 8271", &[0; 200_000], b"five\n"]);
        assert_eq!(came.kept[1].err, b"two\n");
        let order = std::fs::read_to_string(&order).unwrap();
        let order: Vec<&str> = order.lines().map(|l| l.split(' ').next().unwrap()).collect();
        assert_eq!(order, ["echo", "echo", "printf", "head"]);
        assert!(!sign.exists(), "it was to run only after success");
    }
    assert_eq!(run(&session, request("echo after")).await.1.out, b"after\n");
    session.leave().await.unwrap();
    assert_eq!(files(&room.home).iter().filter(|p| p.ends_with(".pitstop")).count(), 0);
}

/// A step that dies of the signal, one that will not, and one that calls it success.
pub async fn behind_a_read_that_was_stopped_none_begins(room: Room) {
    let session = room.connect().await;
    let (sign, nap) = (room.home.join("sign"), room.nap());
    for (n, slow) in [
        format!("echo begun; sleep {nap}"),
        format!("trap '' TERM; echo begun; sleep {nap} & sleep {nap}; sleep {nap}"),
        format!("trap 'exit 0' TERM; echo begun; sleep {nap} & wait"),
    ]
    .iter()
    .enumerate()
    {
        let (sender, cancel) = watch::channel(false);
        let begun = room.home.join(format!("begun{n}"));
        let requests = [
            request("echo first"),
            Request {
                cancel,
                ..request(&format!("echo x >{}; {slow}", begun.display()))
            },
            request(&format!("echo x >>{}", sign.display())),
            request(&format!("echo x >>{}", sign.display())),
        ];
        let stop = async {
            until("the start of the second", || begun.exists()).await;
            sender.send_replace(true);
        };
        let (came, ()) = tokio::join!(together(&session, &requests, never()), stop);
        assert_eq!(came.hows[..2], [How::Exited(0), How::Cancelled], "{slow}");
        assert!(came.hows[2..].iter().all(not_sent), "{:?}", came.hows);
        assert_eq!(processes_with(&format!("sleep {nap}")), Vec::<String>::new());
        assert_eq!(run(&session, request("echo after")).await.1.out, b"after\n");
        assert!(!sign.exists(), "{slow}");
    }
    let mut late = request(&format!("sleep {nap}"));
    late.timeout = Duration::from_millis(500);
    let requests = [late, request(&format!("echo x >>{}", sign.display()))];
    let came = together(&session, &requests, never()).await;
    assert!(
        came.hows[0] == How::TimedOut && not_sent(&came.hows[1]),
        "{:?}",
        came.hows
    );
    assert!(!sign.exists());
    session.leave().await.unwrap();
}

/// As after a first signal: what runs comes to its end, what has not begun does not begin.
pub async fn reads_that_are_held_do_not_begin(room: Room) {
    let session = room.connect().await;
    let (begun, go, sign) = (room.home.join("begun"), room.home.join("go"), room.home.join("sign"));
    let wait = format!(
        "echo x >{}; while [ ! -e {} ]; do sleep 0.05; done; echo waited",
        begun.display(),
        go.display()
    );
    let requests = [request(&wait), request(&format!("echo x >{}", sign.display()))];
    let (hold, held) = watch::channel(false);
    let fenced = |path: &Path| {
        files(path)
            .iter()
            .any(|f| f.extension().is_some_and(|kind| kind == "n"))
    };
    let holding = async {
        until("the start of the first", || begun.exists()).await;
        hold.send_replace(true);
        if session.takes_several() {
            until("the fence", || fenced(Path::new(&session.facts().run_dir))).await;
        }
        std::fs::write(&go, "").unwrap();
    };
    let (came, ()) = tokio::join!(together(&session, &requests, held), holding);
    assert!(
        came.hows[0] == How::Exited(0) && not_sent(&came.hows[1]),
        "{:?}",
        came.hows
    );
    assert_eq!(came.kept[0].out, b"waited\n");
    assert!(!sign.exists());
    session.leave().await.unwrap();
}

/// A run that was cut off is resumed by another process: what the first one had sent must not go on for hours beside it.
pub async fn when_the_link_is_cut_no_further_read_begins(room: Room) {
    if room.sshd.is_none() {
        return;
    }
    let session = room.connect().await;
    let (pid, go, sign) = (room.home.join("pid"), room.home.join("go"), room.home.join("sign"));
    let wait = format!(
        "echo $$ >{0}.new; mv {0}.new {0}; while [ ! -e {1} ]; do sleep 0.05; done",
        pid.display(),
        go.display()
    );
    let requests = [request(&wait), request(&format!("echo x >{}", sign.display()))];
    let cutting = async {
        until("the start of the first", || pid.exists()).await;
        room.cut();
    };
    let (came, ()) = tokio::join!(together(&session, &requests, never()), cutting);
    assert!(matches!(came.hows[0], How::Unknown(_)), "{:?}", came.hows);
    std::fs::write(&go, "").unwrap();
    let lane = std::fs::read_to_string(&pid).unwrap();
    until("the end of the lane", || {
        !Path::new(&format!("/proc/{}", lane.trim())).exists()
    })
    .await;
    assert!(!sign.exists());
    let again = room.connect().await;
    again.leave().await.unwrap();
}
