//! Round trips, counted on the wire: on a slow link they are all that is felt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pitstop::action::check::{Asked, Check};
use pitstop::plan::{self, Value};
use pitstop::transport::{Each, How, LatchKey, Request, Session, Sink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::room::{Kept, Room, latched, request, run};

/// How often the client spoke after the server had.
#[derive(Default)]
struct Turns {
    count: AtomicUsize,
    server_spoke: AtomicBool,
}

/// A relay in front of the room's server that counts.
async fn counted(room: &mut Room) -> Arc<Turns> {
    let turns = Arc::new(Turns::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let behind = room.to.port;
    let port = listener.local_addr().unwrap().port();
    // The key is known under the server's own port.
    let book = std::fs::read_to_string(&room.to.known_hosts[0]).unwrap();
    let relayed = room.home.join("known_hosts");
    std::fs::write(&relayed, book.replace(&format!(":{behind} "), &format!(":{port} "))).unwrap();
    (room.to.port, room.to.known_hosts) = (port, vec![relayed]);
    let count = turns.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                (client.into_split(), server.into_split());
            let up = count.clone();
            tokio::spawn(async move {
                let mut piece = vec![0; 64 << 10];
                while let Ok(n @ 1..) = from_client.read(&mut piece).await {
                    if up.server_spoke.swap(false, Ordering::SeqCst) {
                        up.count.fetch_add(1, Ordering::SeqCst);
                    }
                    if to_server.write_all(&piece[..n]).await.is_err() {
                        break;
                    }
                }
            });
            let down = count.clone();
            tokio::spawn(async move {
                let mut piece = vec![0; 64 << 10];
                while let Ok(n @ 1..) = from_server.read(&mut piece).await {
                    down.server_spoke.store(true, Ordering::SeqCst);
                    if to_client.write_all(&piece[..n]).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    turns
}

struct Ends(Vec<How>, Kept);

impl Each for Ends {
    fn sink(&mut self, _: usize) -> &mut dyn Sink {
        &mut self.1
    }

    fn ended(&mut self, _: usize, how: How) {
        self.0.push(how);
    }
}

/// One look of each kind that is performed, or of these.
fn looks(only: &[&str]) -> Vec<Request> {
    let text = |text: &str| Value::Text(text.to_owned());
    let kinds: [(&str, &[(&str, Value)]); 25] = [
        ("service", &[("name", text("ssh"))]),
        ("services_failed", &[]),
        ("process", &[("name", text("sshd"))]),
        ("port", &[("port", text("22"))]),
        ("tcp_connect", &[("host", text("127.0.0.1")), ("port", text("1"))]),
        ("ping", &[("host", text("127.0.0.1"))]),
        ("http", &[("url", text("http://127.0.0.1:1/"))]),
        ("tls_cert", &[("address", text("127.0.0.1:1"))]),
        ("dns", &[("name", text("localhost"))]),
        ("disk_free", &[("path", text("/"))]),
        ("mount", &[("path", text("/"))]),
        ("memory_swap", &[]),
        ("load_cpu", &[]),
        ("uptime_boot", &[]),
        ("reboot_pending", &[]),
        ("kernel_os", &[("version", text("1"))]),
        ("updates_pending", &[]),
        ("package", &[("name", text("bash"))]),
        ("file", &[("path", text("/etc/passwd"))]),
        (
            "config_value",
            &[("file", text("/etc/passwd")), ("key", text("a")), ("value", text("b"))],
        ),
        ("user_group", &[("name", text("root"))]),
        ("time_sync", &[]),
        ("log_errors", &[]),
        ("sql", &[("engine", text("postgres")), ("query", text("select 1"))]),
        (
            "command",
            &[("run", text("echo FINE; exit 2")), ("format", text("nagios"))],
        ),
    ];
    let check = |(kind, fields): (&str, &[(&str, Value)])| {
        let fields: BTreeMap<String, Value> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let written = plan::Check {
            kind: kind.to_owned(),
            fields: fields.clone(),
            warn: None,
            crit: None,
            for_ms: None,
            every_ms: None,
            compare_to: None,
        };
        let check = Check::new(&written, Asked(fields), kind.to_owned()).unwrap();
        Request {
            command: check.text().clone(),
            ..request("")
        }
    };
    let wanted = kinds
        .into_iter()
        .filter(|(kind, _)| only.is_empty() || only.contains(kind));
    wanted.map(check).collect()
}

/// Sends them together; the frames of their answers.
async fn looked(session: &Arc<dyn Session>, looks: &[Request]) -> Vec<String> {
    let mut ends = Ends(Vec::new(), Kept::default());
    session.run_reads(looks, watch::channel(false).1, &mut ends).await;
    assert_eq!(
        ends.0,
        vec![How::Exited(0); looks.len()],
        "a look that finds something bad is no failed command"
    );
    let said = String::from_utf8_lossy(&ends.1.out).into_owned();
    said.lines().filter(|line| *line == "end").map(str::to_owned).collect()
}

async fn several(session: &Arc<dyn Session>, n: usize) {
    let requests: Vec<Request> = (0..n).map(|_| request("echo out")).collect();
    let mut ends = Ends(Vec::new(), Kept::default());
    session.run_reads(&requests, watch::channel(false).1, &mut ends).await;
    assert_eq!(ends.0, vec![How::Exited(0); n]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_on_a_warm_connection_is_one_round_trip_and_so_are_many_that_change_nothing() {
    let mut room = Room::ssh();
    let turns = counted(&mut room).await;
    let session = room.connect().await;
    let count = || turns.count.swap(0, Ordering::SeqCst);
    let login = count();
    for n in 0..40 {
        assert_eq!(run(&session, request("echo out; echo err >&2")).await.0, How::Exited(0));
        assert_eq!(count(), 1, "read-only step {n}");
    }
    for n in 0..40 {
        let key = format!("trip/{n}");
        let ended = run(&session, latched("echo out; echo err >&2", &key)).await.0;
        session.acknowledge(vec![LatchKey::of(&key)]).await;
        assert_eq!(ended, How::Exited(0));
        assert_eq!(count(), 1, "latched step {n}");
    }
    several(&session, 25).await;
    assert_eq!(count(), 1, "twenty-five together");
    // Looks that are over at once; while a slow one is under way its output is asked for beside it, which nobody waits for.
    let quick = ["mount", "memory_swap", "load_cpu", "uptime_boot", "file"];
    let quick: Vec<Request> = looks(&quick).into_iter().cycle().take(25).collect();
    assert_eq!(looked(&session, &quick).await.len(), 25);
    let trips = count();
    println!("figure: round trips of 25 typed checks on a warm connection | {trips} | -");
    assert!(trips <= 2, "25 checks took {trips}");
    // One of each kind goes together just so.
    let each = looks(&[]);
    assert_eq!((each.len(), looked(&session, &each).await.len()), (25, 25));
    println!("figure: round trips of a login with shell and facts | {login} | -");
    assert!(login <= 12, "a login took {login}");
    session.leave().await.unwrap();
}
