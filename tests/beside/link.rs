//! The wire to a server: it can be cut, stay dead for good, and be mended.
//!
//! Owns: what the network does to both tools alike. Must not: know what goes over it.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Up,
    /// Nobody is refused and nobody gets through.
    Held,
    /// Whoever calls is hung up on.
    Gone,
}

struct State {
    wire: Wire,
    /// Both ends of each connection that was let through.
    open: Vec<TcpStream>,
    /// How many connections were let through, ever.
    made: usize,
}

/// A port of 127.0.0.1 behind which a server is.
pub struct Link {
    pub port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Link {
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State {
            wire: Wire::Up,
            open: Vec::new(),
            made: 0,
        };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                connect(client.unwrap(), server, &shared);
            }
        });
        Self { port, state }
    }

    /// Every connection breaks, and new ones get nowhere until the link is mended.
    pub fn cut(&self) {
        self.set(Wire::Held);
    }

    /// Every connection breaks, and so does each that is tried.
    pub fn lose(&self) {
        self.set(Wire::Gone);
    }

    pub fn mend(&self) {
        self.set(Wire::Up);
    }

    /// How many connections were let through so far.
    pub fn made(&self) -> usize {
        self.state.0.lock().unwrap().made
    }

    fn set(&self, wire: Wire) {
        let mut state = self.state.0.lock().unwrap();
        state.wire = wire;
        if wire != Wire::Up {
            state.open.drain(..).for_each(|end| hang_up(&end));
        }
        self.state.1.notify_all();
    }
}

fn connect(client: TcpStream, server: u16, shared: &(Mutex<State>, Condvar)) {
    let mut state = shared.0.lock().unwrap();
    while state.wire == Wire::Held {
        state = shared.1.wait(state).unwrap();
    }
    let server = match state.wire {
        Wire::Up => TcpStream::connect(("127.0.0.1", server)).ok(),
        _ => None,
    };
    let Some(server) = server else {
        return hang_up(&client);
    };
    state.made += 1;
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            // However it ended: what one end can no longer hear, the other need not say.
            let _ = std::io::copy(&mut from, &mut to);
            hang_up(&to);
            hang_up(&from);
        });
    }
    state.open.extend([client, server]);
}

fn hang_up(end: &TcpStream) {
    // The other side may have been first.
    let _ = end.shutdown(Shutdown::Both);
}
