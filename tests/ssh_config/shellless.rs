//! Targets without a POSIX shell: an appliance behind a forced command of a real server, and Windows as its OpenSSH answers.
//!
//! Owns: these two. The second is a server of this test that knows a few commands of cmd.exe and refuses all others: there is no
//! Windows here.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use russh::keys::{PrivateKey, load_secret_key};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId, SshId};

use super::project::{Project, block, said, show};
use super::sshd::{Sshd, keygen, me};

/// Steps of a change, each on a line.
fn change(project: &Project, steps: &[&str]) {
    let steps: String = steps.iter().map(|s| format!("      - {s}\n")).collect();
    project.write(
        "runbooks/change.yml",
        &format!(
            "schema: 1\nrunbook: change\ntitle: Change\nkind: change\ntargets: {{ all: {{ hosts: [web] }} }}\nphases:\n  \
             - phase: p\n    title: P\n    targets: all\n    on_failure: hold\n    steps:\n{steps}"
        ),
    );
}

/// Exit code and words of a run of it, and of what its steps said.
fn ran(project: &Project) -> (i32, String) {
    let ran = project.run(&["run", "runbooks/change.yml", "--yes"]);
    let logs = project.run(&["logs", "last", "web"]);
    (ran.status.code().unwrap(), format!("{}{}", said(&ran), said(&logs)))
}

/// An appliance: it knows a few words, and notes each line that comes.
struct Appliance {
    sshd: Sshd,
    dir: tempfile::TempDir,
}

impl Appliance {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display();
        let script = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$SSH_ORIGINAL_COMMAND\" >>{at}/lines\ncase $SSH_ORIGINAL_COMMAND in\n'show version') echo Gear 1.2 ;;\n\
             'write memory') echo '[OK]' ;;\nreload) exit 7 ;;\nconfirm) read answer; echo \"got $answer\" ;;\nhang) exec sleep 71.5 ;;\n\
             *) echo '% Invalid input' >&2; exit 1 ;;\nesac\n"
        );
        let path = dir.path().join("gear");
        std::fs::write(&path, script).unwrap();
        let sshd = Sshd::with(&format!("ForceCommand /bin/sh {}", show(&path)));
        Self { sshd, dir }
    }

    fn project(&self, more: &str) -> Project {
        Project::new(
            &format!("schema: 1\nhosts: {{ web: {{ shell: none{more} }} }}\n"),
            &block("web", &self.sshd),
        )
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.path().join("lines")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn an_appliance_is_sent_the_written_commands_and_nothing_else() {
    let gear = Appliance::start();
    let project = gear.project("");
    change(
        &project,
        &[
            "{ id: v, name: Version, run: show version, read_only: true, expect: \"stdout == 'Gear 1.2'\" }",
            "{ id: w, name: Write, run: [write, memory], undo: { none: x } }",
            "{ id: c, name: Confirm, run: confirm, stdin: 'yes', expect: \"stdout == 'got yes'\", undo: { none: x } }",
            "{ id: r, name: Reload, run: reload, ok_codes: [7], undo: { none: x } }",
        ],
    );
    let (code, text) = ran(&project);
    assert_eq!(code, 0, "{text}");
    assert_eq!(gear.lines(), ["show version", "write memory", "confirm", "reload"]);
    assert!(text.contains("Gear 1.2") && text.contains("[OK]"), "{text}");
    let page = said(&project.run(&["plan", "runbooks/change.yml", "--format", "md"]));
    assert!(page.contains("Without a POSIX shell, so attached"), "{page}");
    let doctor = project.reaches();
    assert!(
        doctor.contains("no POSIX shell: a cut link leaves a step unknown"),
        "{doctor}"
    );
    assert_eq!(gear.lines().len(), 4, "the doctor ran nothing");
}

#[test]
fn what_an_appliance_cannot_do_is_said_and_not_sent() {
    let gear = Appliance::start();
    for (more, step, why) in [
        ("", "run: show version, env: { A: b }", "A cannot be set there"),
        ("", "run: \"show version\\nreload\"", "a command is one line there"),
        ("", "run: [show, 'a b']", "nobody knows how it quotes"),
        ("", "run: show version, become: true", "nobody can become root there"),
        ("", "upload: { src: x.txt, dest: /x }", "the target has no POSIX shell"),
    ] {
        let project = gear.project(more);
        project.write("x.txt", "x");
        change(
            &project,
            &[&format!("{{ id: s, name: S, {step}, undo: {{ none: x }} }}")],
        );
        let (code, text) = ran(&project);
        assert!(code != 0 && text.contains(why), "{step}: {code} {text}");
    }
    assert_eq!(gear.lines(), Vec::<String>::new());
    // What it says no to has failed, with its words.
    let project = gear.project("");
    change(&project, &["{ id: s, name: S, run: nonsense, undo: { none: x } }"]);
    let (code, text) = ran(&project);
    assert!(code != 0 && text.contains("% Invalid input"), "{text}");
}

#[test]
fn a_step_of_an_appliance_that_was_not_seen_to_end_is_unknown() {
    let gear = Appliance::start();
    let project = gear.project("");
    change(
        &project,
        &["{ id: h, name: Hang, run: hang, timeout: 1s, undo: { none: x } }"],
    );
    let (code, text) = ran(&project);
    assert!(
        code != 0 && text.contains("unknown") && text.contains("may still run"),
        "{code} {text}"
    );
    // A link that is cut in the middle of it.
    change(&project, &["{ id: h, name: Hang, run: hang, undo: { none: x } }"]);
    let run = project
        .command(env!("CARGO_BIN_EXE_pitstop"))
        .args(["run", "runbooks/change.yml", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while gear.lines().len() < 2 {
        assert!(std::time::Instant::now() < end, "the step did not begin");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    gear.sshd.cut();
    let out = run.wait_with_output().unwrap();
    assert!(
        out.status.code() != Some(0) && said(&out).contains("unknown"),
        "{}",
        said(&out)
    );
    assert_eq!(gear.lines(), ["hang", "hang"], "it was not sent again");
}

/// Windows with this default shell; which commands came.
struct Windows {
    port: u16,
    dir: tempfile::TempDir,
    came: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Shell {
    /// Else PowerShell is it.
    cmd: bool,
    came: Arc<Mutex<Vec<String>>>,
}

impl Shell {
    /// As the default shell answers: output, complaints, status.
    fn answer(&self, command: &str) -> (&'static str, &'static str, u32) {
        match command {
            "echo %OS%" if self.cmd => ("Windows_NT\r\n", "", 0),
            "echo %OS%" => ("%OS%\r\n", "", 0),
            "hostname" => ("WIN01\r\n", "", 0),
            "exit /b 3" => ("", "", 3),
            _ => (
                "",
                "'x' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
                1,
            ),
        }
    }
}

impl Handler for Shell {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _user: &str, _key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let command = String::from_utf8_lossy(data).into_owned();
        let (out, err, status) = self.answer(&command);
        self.came.lock().unwrap().push(command);
        session.channel_success(id)?;
        session.data(id, out.as_bytes().to_vec())?;
        session.extended_data(id, 1, err.as_bytes().to_vec())?;
        session.exit_status_request(id, status)?;
        session.eof(id)?;
        session.close(id)
    }
}

impl Windows {
    fn start(cmd: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for key in ["host_key", "id"] {
            keygen(&dir.path().join(key), "ed25519", "");
        }
        let key: PrivateKey = load_secret_key(dir.path().join("host_key"), None).unwrap();
        let came = Arc::<Mutex<Vec<String>>>::default();
        let shell = Shell {
            cmd,
            came: came.clone(),
        };
        let config = Arc::new(Config {
            server_id: SshId::Standard("SSH-2.0-OpenSSH_for_Windows_9.5".into()),
            keys: vec![key],
            ..Config::default()
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let (config, shell) = (config.clone(), shell.clone());
                    tokio::spawn(async move { run_stream(config, stream, shell).await.unwrap().await });
                }
            });
        });
        Self { port, dir, came }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn project(&self, settings: &str) -> Project {
        let key = std::fs::read_to_string(self.path("host_key.pub")).unwrap();
        std::fs::write(self.path("known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
        let config = format!(
            "Host web\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n  UserKnownHostsFile {}\n",
            self.port,
            me(),
            show(&self.path("id")),
            show(&self.path("known_hosts")),
        );
        Project::new(&format!("schema: 1\nhosts: {{ web: {{ {settings} }} }}\n"), &config)
    }

    fn came(&self) -> Vec<String> {
        std::mem::take(&mut *self.came.lock().unwrap())
    }
}

#[test]
fn on_windows_commands_go_to_cmd_as_they_are_written() {
    let windows = Windows::start(true);
    let project = windows.project("os: windows");
    let text = project.reaches();
    assert!(text.contains(", windows; no POSIX shell"), "{text}");
    change(
        &project,
        &[
            "{ id: n, name: Name, run: hostname, read_only: true, expect: \"stdout == 'WIN01'\" }",
            "{ id: e, name: Exit, run: exit /b 3, ok_codes: [3], undo: { none: x } }",
        ],
    );
    windows.came();
    let (code, text) = ran(&project);
    assert_eq!(code, 0, "{text}");
    assert_eq!(windows.came(), ["echo %OS%", "hostname", "exit /b 3"]);
    change(&project, &["{ id: s, name: S, run: nonsense, undo: { none: x } }"]);
    let (code, text) = ran(&project);
    assert!(code != 0 && text.contains("is not recognized"), "{text}");
}

#[test]
fn a_windows_that_the_inventory_does_not_know_of_or_with_another_shell_is_told_with_what_to_write() {
    let windows = Windows::start(true);
    let text = windows
        .project("")
        .fails("it is Windows (SSH-2.0-OpenSSH_for_Windows_9.5)");
    assert!(text.contains("help: write `os: windows` for the host"), "{text}");
    assert_eq!(windows.came(), Vec::<String>::new(), "nothing was tried there");
    let windows = Windows::start(false);
    let text = windows
        .project("os: windows")
        .fails("it is not cmd.exe that takes commands there");
    assert!(text.contains("help: make cmd.exe the default shell"), "{text}");
    assert_eq!(windows.came(), ["echo %OS%"]);
}
