//! A host that does all that an OpenSSH server does for us, until its lie takes over.
//!
//! Owns: logins (anybody is let in), channels that run commands with `sh`, windows. Must not: know which lies there are.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::wire::{Conn, HostKey, Kex, Packet, Then, Words, Writer, msg};

/// Where a conversation stands.
pub enum Moment<'a> {
    /// The client has connected; nothing was said.
    Connected,
    /// The key exchange is through.
    Keyed,
    /// The client asks to be let in: the whole message.
    Login(&'a [u8]),
    /// It was let in.
    LoggedIn,
    /// It opens a channel, which it calls so.
    Open(u32),
    /// It wants a command run on this channel of the client's.
    Exec(u32, &'a str),
    /// It wants SFTP on this channel of the client's.
    Sftp(u32),
    /// It says something on this channel of the client's.
    Input(u32, &'a [u8]),
}

impl Moment<'_> {
    /// True when the step that changes something is sent.
    pub fn is_change(&self) -> bool {
        let word = crate::room::CHANGE.as_bytes();
        matches!(self, Moment::Input(_, data) if data.windows(word.len()).any(|w| w == word))
    }

    /// The client's number of the channel, where there is one.
    pub fn channel(&self) -> u32 {
        match self {
            Moment::Open(channel) | Moment::Exec(channel, _) | Moment::Sftp(channel) => *channel,
            Moment::Input(channel, _) => *channel,
            _ => panic!("no channel is at hand"),
        }
    }
}

/// What is done with a message after the lie has looked at it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// What an honest host does.
    On,
    /// Nothing.
    Swallow,
    /// The connection ends.
    End,
}

/// A lie looks at each moment. The number is that of the connection, from 0.
pub type Lie = Arc<dyn Fn(&mut Conn, &Moment<'_>, usize) -> io::Result<Go> + Send + Sync>;

/// What becomes of who connects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listens {
    /// Somebody talks to them.
    Well,
    /// They are refused: nobody listens there.
    Gone,
    /// They hear nothing at all: the queue is full, and the kernel drops what asks to come in.
    Full,
}

/// How the host is set up.
#[derive(Clone)]
pub struct Nature {
    pub listens: Listens,
    pub lie: Lie,
    pub kex: Kex,
    /// So many packets go out, then this.
    pub until: Option<(usize, Then)>,
    /// One host key for each connection, the last for all further ones. The first is the one that is known.
    pub keys: Vec<Arc<HostKey>>,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            listens: Listens::Well,
            lie: Arc::new(|_, _, _| Ok(Go::On)),
            kex: Kex::default(),
            until: None,
            keys: vec![Arc::new(HostKey::fresh())],
        }
    }
}

/// A listening host.
pub struct Host {
    pub port: u16,
    pub dir: tempfile::TempDir,
    pub known_hosts: PathBuf,
    visits: Arc<AtomicUsize>,
    /// What keeps its queue full.
    _full: Option<(TcpListener, TcpStream)>,
}

impl Host {
    pub fn start(nature: Nature) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (listener, full) = match nature.listens {
            Listens::Well => (Some(listener), None),
            Listens::Gone => (None, None),
            Listens::Full => (None, Some(full(listener))),
        };
        let dir = tempfile::Builder::new().prefix("pitstop-hostile-").tempdir().unwrap();
        let known_hosts = dir.path().join("known_hosts");
        std::fs::write(&known_hosts, nature.keys[0].line(port)).unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let visits = Arc::<AtomicUsize>::default();
        let counted = visits.clone();
        std::thread::spawn(move || {
            for nth in 0.. {
                let Some(Ok((stream, _))) = listener.as_ref().map(TcpListener::accept) else {
                    return;
                };
                counted.store(nth + 1, Ordering::SeqCst);
                let (nature, home) = (nature.clone(), home.clone());
                std::thread::spawn(move || {
                    let key = &nature.keys[nth.min(nature.keys.len() - 1)];
                    let Ok(conn) = Conn::new(stream, key.clone(), nature.until) else {
                        return;
                    };
                    let mut talk = Talk {
                        conn,
                        home,
                        nth,
                        lie: nature.lie.clone(),
                        channels: HashMap::new(),
                        over: Arc::new(AtomicBool::new(false)),
                    };
                    // Every lie ends in an error of one side or the other.
                    let _ = talk.go(&nature.kex);
                    talk.end();
                });
            }
        });
        Self {
            port,
            dir,
            known_hosts,
            visits,
            _full: full,
        }
    }

    /// How often somebody has connected.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }

    /// It is known by another port, too: that of a link to it.
    pub fn trust(&self, key: &HostKey, port: u16) {
        let known = std::fs::read_to_string(&self.known_hosts).unwrap();
        std::fs::write(&self.known_hosts, known + &key.line(port)).unwrap();
    }

    /// Lines that changing steps have left on it.
    pub fn changes(&self) -> usize {
        let text = std::fs::read_to_string(self.dir.path().join("home/effects")).unwrap_or_default();
        text.lines().count()
    }
}

/// Leaves room for nobody: a queue of one, and who stands in it.
fn full(listener: TcpListener) -> (TcpListener, TcpStream) {
    rustix::net::listen(&listener, 0).unwrap();
    let to = listener.local_addr().unwrap();
    let first = TcpStream::connect(to).unwrap();
    let late = TcpStream::connect_timeout(&to, Duration::from_millis(200)).unwrap_err();
    assert_eq!(late.kind(), io::ErrorKind::TimedOut, "the kernel let a second one in");
    (listener, first)
}

/// Bytes that the client takes at the moment.
type Window = Arc<(Mutex<u64>, Condvar)>;

struct Channel {
    stdin: Option<ChildStdin>,
    window: Window,
}

/// One conversation.
struct Talk {
    conn: Conn,
    home: PathBuf,
    nth: usize,
    lie: Lie,
    /// By the number that both sides use: this host calls a channel what the client calls it.
    channels: HashMap<u32, Channel>,
    over: Arc<AtomicBool>,
}

impl Talk {
    fn asks(&mut self, moment: &Moment<'_>) -> io::Result<Go> {
        let lie = self.lie.clone();
        match lie(&mut self.conn, moment, self.nth)? {
            Go::End => Err(io::ErrorKind::ConnectionAborted.into()),
            go => Ok(go),
        }
    }

    fn go(&mut self, kex: &Kex) -> io::Result<()> {
        self.asks(&Moment::Connected)?;
        self.conn.identify()?;
        self.conn.kex(kex)?;
        self.asks(&Moment::Keyed)?;
        loop {
            let message = self.conn.recv()?;
            let mut words = Words(message.get(1..).unwrap_or_default());
            match message.first().copied().unwrap_or_default() {
                msg::SERVICE_REQUEST => {
                    let name = words.text()?;
                    self.conn.send(&Packet::of(msg::SERVICE_ACCEPT).text(name))?;
                }
                msg::USERAUTH_REQUEST
                    if self.asks(&Moment::Login(&message))? == Go::On && self.login(&mut words)? =>
                {
                    self.asks(&Moment::LoggedIn)?;
                }
                msg::DISCONNECT => return Ok(()),
                kind if kind >= msg::GLOBAL_REQUEST => self.connected(kind, &mut words)?,
                _ => {}
            }
        }
    }

    /// A key is good, whosever it is; so is a password.
    fn login(&mut self, words: &mut Words<'_>) -> io::Result<bool> {
        let (_user, _service, method) = (words.text()?, words.text()?, words.text()?);
        if method == b"publickey" && words.byte()? == 0 {
            let (kind, key) = (words.text()?, words.text()?);
            let more = Packet::of(msg::USERAUTH_MORE).text(kind).text(key);
            self.conn.send(&more)?;
            return Ok(false);
        }
        self.conn.send(&Packet::of(msg::USERAUTH_SUCCESS))?;
        Ok(true)
    }

    fn connected(&mut self, kind: u8, words: &mut Words<'_>) -> io::Result<()> {
        if kind == msg::GLOBAL_REQUEST {
            let (_name, wants) = (words.text()?, words.byte()?);
            if wants == 1 {
                self.conn.send(&Packet::of(msg::REQUEST_FAILURE))?;
            }
            return Ok(());
        }
        if kind == msg::CHANNEL_OPEN {
            let (_kind, channel, window) = (words.text()?, words.int()?, words.int()?);
            if self.asks(&Moment::Open(channel))? == Go::On {
                self.conn.send(&confirm(channel, 2 << 20, 32 << 10))?;
                let window = Arc::new((Mutex::new(u64::from(window)), Condvar::new()));
                self.channels.insert(channel, Channel { stdin: None, window });
            }
            return Ok(());
        }
        if !matches!(kind, msg::WINDOW_ADJUST..=msg::CHANNEL_REQUEST) {
            return Ok(());
        }
        let channel = words.int()?;
        match kind {
            msg::WINDOW_ADJUST => {
                if let Some(held) = self.channels.get(&channel) {
                    *held.window.0.lock().unwrap() += u64::from(words.int()?);
                    held.window.1.notify_all();
                }
            }
            msg::CHANNEL_DATA => {
                let data = words.text()?;
                let more = Packet::of(msg::WINDOW_ADJUST)
                    .int(channel)
                    .int(u32::try_from(data.len()).unwrap());
                if self.asks(&Moment::Input(channel, data))? == Go::On {
                    self.conn.send(&more)?;
                    let held = self.channels.get_mut(&channel);
                    if let Some(stdin) = held.and_then(|c| c.stdin.as_mut()) {
                        // A program that has ended reads nothing more.
                        let _ = stdin.write_all(data);
                    }
                }
            }
            msg::CHANNEL_EOF => drop(self.channels.get_mut(&channel).and_then(|c| c.stdin.take())),
            msg::CHANNEL_CLOSE => drop(self.channels.get_mut(&channel).and_then(|c| c.stdin.take())),
            msg::CHANNEL_REQUEST => self.request(channel, words)?,
            _ => {}
        }
        Ok(())
    }

    fn request(&mut self, channel: u32, words: &mut Words<'_>) -> io::Result<()> {
        let (kind, wants) = (words.text()?, words.byte()? == 1);
        if kind == b"subsystem" && self.asks(&Moment::Sftp(channel))? == Go::Swallow {
            return Ok(());
        }
        if kind != b"exec" {
            // No SFTP here: files go through the shell.
            if wants {
                self.conn.send(&Packet::of(msg::CHANNEL_FAILURE).int(channel))?;
            }
            return self.conn.send(&Packet::of(msg::CHANNEL_CLOSE).int(channel));
        }
        let command = String::from_utf8_lossy(words.text()?).into_owned();
        if self.asks(&Moment::Exec(channel, &command))? != Go::On {
            return Ok(());
        }
        let mut child = Command::new("/bin/sh")
            .args(["-c", &command])
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let Some(held) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        held.stdin = child.stdin.take();
        let out = Stream {
            out: self.conn.out.clone(),
            channel,
            window: held.window.clone(),
            over: self.over.clone(),
        };
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            let err = out.clone();
            let errors = std::thread::spawn(move || err.pump(stderr, true));
            out.pump(stdout, false);
            let _ = errors.join();
            let status = child.wait().ok().and_then(|s| s.code()).unwrap_or(137);
            let mut way = out.out.lock().unwrap();
            // The client may be gone.
            let _ = way.send(&exit_status(channel, u32::try_from(status).unwrap()));
            let _ = way.send(&Packet::of(msg::CHANNEL_EOF).int(channel));
            let _ = way.send(&Packet::of(msg::CHANNEL_CLOSE).int(channel));
        });
        Ok(())
    }

    /// Programs find their input ended, as after a lost link.
    fn end(mut self) {
        self.over.store(true, Ordering::SeqCst);
        for held in self.channels.values_mut() {
            held.stdin = None;
            held.window.1.notify_all();
        }
        let _ = self.conn.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// One output of a program on its way to the client.
#[derive(Clone)]
struct Stream {
    out: Arc<Mutex<Writer>>,
    channel: u32,
    window: Window,
    over: Arc<AtomicBool>,
}

impl Stream {
    fn pump(&self, mut from: impl Read, errors: bool) {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let mut window = self.window.0.lock().unwrap();
            while *window < n as u64 {
                if self.over.load(Ordering::SeqCst) {
                    return;
                }
                let waited = self.window.1.wait_timeout(window, Duration::from_millis(200));
                window = waited.unwrap().0;
            }
            *window -= n as u64;
            drop(window);
            let packet = match errors {
                false => Packet::of(msg::CHANNEL_DATA).int(self.channel),
                true => Packet::of(msg::CHANNEL_EXTENDED).int(self.channel).int(1),
            };
            if self.out.lock().unwrap().send(&packet.text(&buffer[..n])).is_err() {
                return;
            }
        }
    }
}

/// The answer to a channel that the client opens.
pub fn confirm(channel: u32, window: u32, longest: u32) -> Packet {
    let packet = Packet::of(msg::CHANNEL_CONFIRM).int(channel).int(channel);
    packet.int(window).int(longest)
}

/// A program's end.
pub fn exit_status(channel: u32, status: u32) -> Packet {
    let packet = Packet::of(msg::CHANNEL_REQUEST).int(channel).text("exit-status");
    packet.byte(0).int(status)
}
