//! Round trips, counted on the wire: on a slow link they are all that is felt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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
    println!("figure: round trips of a login with shell and facts | {login} | -");
    assert!(login <= 12, "a login took {login}");
    session.leave().await.unwrap();
}
