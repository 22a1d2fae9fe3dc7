//! Ways to become another user, on real servers with the real programs: su, doas, and sudo that demands a terminal.
//!
//! Users are made and removed here, which only root can: for anybody else these tests fail and say so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pitstop::secret::Secret;
use pitstop::transport::{
    Endpoint, How, LatchKey, Method, Privilege, Probe, Put, Request, Session, SshTransport, Transport,
};

use crate::common::person::{Person, needs_root, program};
use crate::common::sshd::Sshd;
use crate::room::{Kept, fresh_run, latched, lines, options, processes_with, request, run, until};

/// Of the one who logs in, and of the one who is become.
const OWN: &str = "korrekt horse' battery";
const OTHER: &str = "staple \"of\" $another";

/// Who logs in where, and becomes whom.
struct Room {
    sshd: Sshd,
    own: Person,
    other: Person,
    dir: tempfile::TempDir,
    /// Rounds so far.
    nth: AtomicUsize,
}

impl Room {
    fn new(tag: &str, config: &str) -> Self {
        needs_root();
        let dir = tempfile::Builder::new().prefix("pitstop-becoming-").tempdir().unwrap();
        assert!(program("chmod", &["777", &dir.path().display().to_string()]));
        Self {
            sshd: Sshd::with(config),
            own: Person::new(&format!("{tag}o"), OWN),
            other: Person::new(&format!("{tag}x"), OTHER),
            dir,
            nth: AtomicUsize::new(0),
        }
    }

    fn endpoint(&self, method: Method, password: Option<&str>) -> Endpoint {
        Endpoint {
            user: Some(self.own.name.clone()),
            privilege: Privilege {
                method,
                password: password.map(|p| Secret::new(p.to_owned())),
                ..Privilege::default()
            },
            ..self.sshd.endpoint(&fresh_run())
        }
    }

    async fn session(&self, method: Method, password: Option<&str>) -> Arc<dyn Session> {
        let to = self.endpoint(method, password);
        SshTransport::new(options()).connect(&to).await.unwrap()
    }

    fn as_other(&self, request: Request) -> Request {
        Request {
            become_user: Some(self.other.name.clone()),
            ..request
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Steps of the other user keep what they promise; nothing of the password is anywhere.
    async fn keeps_every_promise(&self, method: Method, password: Option<&str>) {
        let to = self.endpoint(method, password);
        let transport = SshTransport::new(options());
        let session = transport.connect(&to).await.unwrap();
        let boot = session.facts().boot.clone();
        let nth = self.nth.fetch_add(1, Ordering::Relaxed);
        let count = self.path(&format!("count{nth}"));
        let command = format!("id -un; echo err >&2; echo x >>{}; exit 4", count.display());
        for _ in 0..2 {
            let (how, kept) = run(&session, self.as_other(latched(&command, "b/1"))).await;
            let name = format!("{}\n", self.other.name);
            assert_eq!(
                (how, kept.out.as_slice(), kept.err.as_slice()),
                (How::Exited(4), name.as_bytes(), b"err\n".as_slice()),
                "{method:?}"
            );
        }
        assert_eq!(lines(&count), 1);
        // What changes nothing is run by one shell, which is no person's.
        let ask = || {
            self.as_other(request(
                "echo $$; case $- in *i*) echo interactive ;; esac; [ -t 0 ] || [ -t 1 ] || echo no terminal",
            ))
        };
        let (first, second) = (run(&session, ask()).await, run(&session, ask()).await);
        assert_eq!(first.1.out, second.1.out);
        let said = String::from_utf8(first.1.out).unwrap();
        assert!(said.ends_with("\nno terminal\n") && said.lines().count() == 2, "{said}");
        // Every byte arrives as it was, whichever way it takes.
        let bytes: Vec<u8> = (0..=255_u8).cycle().take(200_000).collect();
        let dest = self.path(&format!("file{nth}"));
        let put = Put {
            content: Arc::new(bytes.clone().into()),
            dest: dest.display().to_string(),
            mode: Some(0o600),
            owner: None,
            validate: None,
            become_user: Some(self.other.name.clone()),
            timeout: Duration::from_secs(20),
        };
        session.put(put).await.unwrap();
        assert_eq!(std::fs::read(&dest).unwrap(), bytes);
        let mut kept = Kept::default();
        let got = session
            .get(&dest.display().to_string(), 1 << 20, Some(&self.other.name), &mut kept)
            .await;
        assert_eq!((got, kept.out == bytes), (Ok(()), true));
        let mut ask = self.as_other(latched(
            "cat; echo \"$TOKEN\"; cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
            "b/2",
        ));
        ask.stdin = Some(Secret::new("in\u{3}\u{4}\r\n".to_owned()));
        ask.env = vec![("TOKEN".to_owned(), Secret::new("it's".to_owned()))];
        let said = run(&session, ask).await.1.out;
        assert!(said.starts_with("in\u{3}\u{4}\r\nit's\n".as_bytes()), "{method:?}");
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.contains("battery") && !said.contains("staple"), "{said}");
        let (how, kept) = run(&session, self.as_other(request("head -c 3000000 /dev/zero"))).await;
        assert_eq!((how, kept.out.len()), (How::Exited(0), 3_000_000));
        // Past its limit it is stopped for sure.
        let nap = format!("sleep 61{}", self.own.uid);
        let slow = Request {
            timeout: Duration::from_millis(300),
            ..latched(&format!("trap '' TERM; {nap}"), "b/3")
        };
        assert_eq!(run(&session, self.as_other(slow)).await.0, How::TimedOut);
        assert_eq!(processes_with(&nap), Vec::<String>::new());
        // A cut link takes the terminal away, and not the step.
        let go = self.path("go");
        let command = format!(
            "echo x >>{}; while [ ! -e {} ]; do sleep 0.05; done; exit 8",
            count.display(),
            go.display()
        );
        let ask = self.as_other(latched(&command, "b/4"));
        let work = tokio::spawn({
            let (session, ask) = (session.clone(), ask.clone());
            async move { run(&session, ask).await.0 }
        });
        until("the start of the step", || lines(&count) == 2).await;
        self.sshd.cut();
        assert!(matches!(work.await.unwrap(), How::Unknown(_)));
        let session = transport.connect(&to).await.unwrap();
        let key = LatchKey::of("b/4");
        let stands = session
            .probe(&key, &boot, Some(&self.other.name), &mut Kept::default())
            .await;
        assert_eq!(stands, Probe::Running, "{method:?}");
        std::fs::write(&go, "").unwrap();
        assert_eq!(session.follow(&key, ask, &mut Kept::default()).await, How::Exited(8));
        std::fs::remove_file(&go).unwrap();
        session.leave().await.unwrap();
        session.close().await;
        for person in [&self.own, &self.other] {
            assert!(!Path::new("/var/tmp").join(format!(".pitstop-{}", person.uid)).exists());
        }
    }

    /// Nothing is sent, within seconds; why.
    async fn is_refused(&self, method: Method, password: Option<&str>) -> String {
        let session = self.session(method, password).await;
        let begun = Instant::now();
        let how = run(&session, self.as_other(latched("id", "refused"))).await.0;
        let How::NotSent(why) = how else { panic!("{how:?}") };
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{:?}: {why}",
            begun.elapsed()
        );
        for secret in [OWN, OTHER, "wrong one"] {
            assert!(!why.contains(secret), "{why}");
        }
        session.leave().await.unwrap();
        session.close().await;
        why
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn su_asks_for_the_other_s_password_at_a_terminal() {
    let room = Room::new("su", "");
    room.keeps_every_promise(Method::Su, Some(OTHER)).await;
    let why = room.is_refused(Method::Su, Some("wrong one")).await;
    assert_eq!(
        why,
        format!(
            "su refused the password for {} (su: Authentication failure)",
            room.other.name
        )
    );
    // Without one there is nothing to answer.
    let why = room.is_refused(Method::Su, None).await;
    assert!(
        why.starts_with(&format!("could not become {}", room.other.name)),
        "{why}"
    );
    // Whom nobody can be: the words are su's own.
    let session = room.session(Method::Su, Some(OTHER)).await;
    let nobody = Request {
        become_user: Some("no-such-user".to_owned()),
        ..request("true")
    };
    let how = run(&session, nobody).await.0;
    assert!(
        matches!(&how, How::NotSent(why) if why.contains("no-such-user does not exist")),
        "{how:?}"
    );
    session.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn root_needs_no_password_to_become_another_with_su() {
    let room = Room::new("sr", "");
    let to = Endpoint {
        user: Some(crate::common::sshd::me()),
        ..room.endpoint(Method::Su, None)
    };
    let session = SshTransport::new(options()).connect(&to).await.unwrap();
    let (how, kept) = run(&session, room.as_other(latched("id -un; exit 3", "root/1"))).await;
    let name = format!("{}\n", room.other.name);
    assert_eq!((how, kept.out.as_slice()), (How::Exited(3), name.as_bytes()));
    session.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_terminal_of_the_server_su_is_not_tried() {
    let room = Room::new("sn", "PermitTTY no");
    let why = room.is_refused(Method::Su, Some(OTHER)).await;
    assert_eq!(
        why,
        "su needs a terminal: the server gives us no terminal (`PermitTTY`)"
    );
}

/// The rules of doas, for as long as this lives: there is one file for the whole machine.
struct Rules(Option<Vec<u8>>);

const RULES: &str = "/etc/doas.conf";

impl Rules {
    fn write(&self, rules: &str) {
        std::fs::write(RULES, rules).unwrap();
        assert!(program("chmod", &["600", RULES]));
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        // The next test writes it anew.
        let _ = match &self.0 {
            Some(before) => std::fs::write(RULES, before),
            None => std::fs::remove_file(RULES),
        };
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doas_asks_for_the_own_password_at_a_terminal_or_for_none() {
    let room = Room::new("do", "");
    let rules = Rules(std::fs::read(RULES).ok());
    rules.write(&format!("permit {} as {}\n", room.own.name, room.other.name));
    room.keeps_every_promise(Method::Doas, Some(OWN)).await;
    let why = room.is_refused(Method::Doas, Some("wrong one")).await;
    assert_eq!(
        why,
        format!(
            "doas refused the password for {} (doas: Authentication failed)",
            room.other.name
        )
    );
    let why = room.is_refused(Method::Doas, None).await;
    assert!(why.contains("doas: Authentication required"), "{why}");
    rules.write(&format!("permit nopass {} as {}\n", room.own.name, room.other.name));
    room.keeps_every_promise(Method::Doas, None).await;
    // A password that nobody asks for is given to nobody.
    room.keeps_every_promise(Method::Doas, Some(OWN)).await;
    rules.write("permit nopass root\n");
    let why = room.is_refused(Method::Doas, None).await;
    assert!(why.contains("Operation not permitted"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sudo_that_demands_a_terminal_gets_one() {
    let room = Room::new("rt", "");
    let name = &room.own.name;
    for (further, rule, password) in [
        ("", "ALL", Some(OWN)),
        ("", "NOPASSWD: ALL", None),
        // Another terminal between ours and the step.
        (", use_pty", "ALL", Some(OWN)),
    ] {
        room.own.rules(&format!(
            "Defaults:{name} requiretty{further}\n{name} ALL=(ALL) {rule}\n"
        ));
        room.keeps_every_promise(Method::Sudo, password).await;
    }
    room.own
        .rules(&format!("Defaults:{name} requiretty\n{name} ALL=(ALL) ALL\n"));
    let why = room.is_refused(Method::Sudo, Some("wrong one")).await;
    assert_eq!(why, format!("sudo refused the password for {}", room.other.name));
    let why = room.is_refused(Method::Sudo, None).await;
    assert!(why.contains("sudo: a password is required"), "{why}");
    room.own
        .rules(&format!("Defaults:{name} requiretty\n{name} ALL=(root) /bin/true\n"));
    let why = room.is_refused(Method::Sudo, Some(OWN)).await;
    assert!(why.contains("could not become") && why.contains("not allowed"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sudo_that_demands_a_terminal_where_there_is_none_says_so() {
    let room = Room::new("rn", "PermitTTY no");
    let name = &room.own.name;
    room.own
        .rules(&format!("Defaults:{name} requiretty\n{name} ALL=(ALL) NOPASSWD: ALL\n"));
    let why = room.is_refused(Method::Sudo, None).await;
    assert_eq!(
        why,
        "sudo needs a terminal: the server gives us no terminal (`PermitTTY`)"
    );
}
