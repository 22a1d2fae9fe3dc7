//! POSIX shell text: quoting, environment, privilege.
//!
//! Owns: every place where a value becomes shell text. Must not: send anything, know channels.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::channel::{Channel, Channels, Event};
use super::{Command, Method, Privilege, Request, SHELL, Stream};
pub(super) use crate::runbook::expr::quote::sh_word as quote;

/// A random word for markers: 128 bits of hex.
pub(super) fn nonce() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers from the system: {e}"))?;
    Ok(crate::id::hex(&bytes))
}

/// The text of a request: its environment, then its command. `files` is the path stem of what was delivered for it
/// (`STEM.i` standard input, `STEM.x` script).
pub(super) fn text(request: &Request, stem: &str) -> Result<String, String> {
    let mut text = String::new();
    if request.stdin.is_some() {
        // It may be a secret: it has no name any more once it is open, however the step ends. Before the environment: `PATH`.
        text = format!("exec <{i}; rm -f {i}\n", i = quote(&format!("{stem}.i")));
    }
    text.push_str(&format!(
        "PITSTOP_STEP_KEY={}; export PITSTOP_STEP_KEY\n",
        quote(&request.step_key)
    ));
    for (name, value) in &request.env {
        if !is_name(name) {
            return Err(format!("{name} is no name for an environment variable"));
        }
        text.push_str(&format!("{name}={}; export {name}\n", quote(value.expose())));
    }
    match &request.command {
        Command::Shell(script) => text.push_str(script),
        Command::Argv(words) => text.push_str(&words.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ")),
        Command::Script {
            content,
            interpreter,
            args,
        } => {
            let mut words = vec![interpreter.clone().unwrap_or_else(|| interpreter_of(content))];
            words.push(quote(&format!("{stem}.x")));
            words.extend(args.iter().map(|a| quote(a)));
            text.push_str(&words.join(" "));
        }
    }
    if text.contains('\0') {
        return Err("a command cannot hold a NUL byte".to_owned());
    }
    Ok(text)
}

/// What a script's first line names, else `sh`. Arguments of the line stay (`#!/usr/bin/env python3`).
fn interpreter_of(content: &[u8]) -> String {
    let line = content.split(|b| *b == b'\n').next().unwrap_or_default();
    let named = line
        .strip_prefix(b"#!")
        .and_then(|rest| std::str::from_utf8(rest).ok())
        .map(|rest| rest.split_ascii_whitespace().map(quote).collect::<Vec<_>>().join(" "));
    named
        .filter(|words| !words.is_empty())
        .unwrap_or_else(|| "sh".to_owned())
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A shell that is safe as it stands in a command line: a path or a name, and plain words behind it.
pub(super) fn is_shell(shell: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-' | b'+');
    let mut words = shell.split(' ');
    words.all(|w| !w.is_empty() && w.bytes().all(good)) && !shell.starts_with('-')
}

/// A user name that is safe as a shell word and as an option's value.
pub(super) fn is_user(user: &str) -> bool {
    !user.is_empty()
        && !user.starts_with('-')
        && user
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'$' | b'#' | b'@' | b'\\'))
}

/// A limit after which a privilege program that asks for something else than the password is given up.
const ODD_PROMPT: Duration = Duration::from_secs(3);

/// Where a program that changes the user runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Pipes,
    /// It asks for a password nowhere else, or runs nowhere else. Both streams come as one.
    Terminal,
}

/// Opens a channel on which `inner` runs as `user`, and waits until it has begun: start-up files may print before that, and
/// nothing is sent to standard input before the marker is back.
pub(super) async fn open(
    channels: &dyn Channels,
    privilege: &Privilege,
    user: Option<&str>,
    inner: &str,
    limit: Duration,
) -> Result<Channel, String> {
    let asks_there = matches!(privilege.method, Method::Su | Method::Doas) && privilege.password.is_some();
    let sudo = privilege.method == Method::Sudo && channels.sudo_wants_terminal().load(Ordering::Relaxed);
    let work = async {
        if user.is_some() && (asks_there || sudo) {
            return attempt(channels, privilege, user, inner, At::Terminal).await;
        }
        match attempt(channels, privilege, user, inner, At::Pipes).await {
            Err(why) if user.is_some() && privilege.method == Method::Sudo && wants_terminal(&why) => {
                channels.sudo_wants_terminal().store(true, Ordering::Relaxed);
                attempt(channels, privilege, user, inner, At::Terminal).await
            }
            done => done,
        }
    };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(format!("the shell did not begin within {} s", limit.as_secs())),
    }
}

/// `Defaults requiretty`: it says so in the host's language, and in each of them names a TTY. It has asked for nothing before.
fn wants_terminal(why: &str) -> bool {
    why.to_lowercase().contains(" tty")
}

async fn attempt(
    channels: &dyn Channels,
    privilege: &Privilege,
    user: Option<&str>,
    inner: &str,
    at: At,
) -> Result<Channel, String> {
    let marker = nonce()?;
    let prompt = nonce()?;
    let inner = match at {
        At::Pipes => format!("echo {marker}; echo {marker} >&2; {inner}"),
        // From here on it passes each byte as it is.
        At::Terminal => format!("stty raw -echo || exit 125; unset LC_ALL; echo {marker}; {inner}"),
    };
    let command = opening(privilege, user, &inner, &prompt, at)?;
    let mut channel = match at {
        At::Pipes => channels.open(command).await?,
        At::Terminal => {
            let opened = channels.open_terminal(command).await;
            opened.map_err(|why| format!("{} needs a terminal: {why}", privilege.method.name()))?
        }
    };
    let begun = Begun {
        privilege,
        user,
        marker: &marker,
        prompt: &prompt,
        at,
    };
    begun.wait(&mut channel).await?;
    channel.is_terminal = at == At::Terminal;
    Ok(channel)
}

fn opening(privilege: &Privilege, user: Option<&str>, inner: &str, prompt: &str, at: At) -> Result<String, String> {
    let shell = &privilege.shell;
    if !is_shell(shell) {
        return Err(format!("{shell:?} is no shell's path"));
    }
    let Some(user) = user else {
        return Ok(format!("exec {shell} -c {}", quote(inner)));
    };
    if !is_user(user) {
        return Err(format!("{user:?} is no name of a user"));
    }
    let user = quote(user);
    // `su` takes one path and no arguments: a shell that needs some is started by the user's `/bin/sh`.
    let su = if privilege.method == Method::Su && shell.contains(' ') {
        format!(
            "su -s {SHELL} {user} -c {}",
            quote(&format!("exec {shell} -c {}", quote(inner)))
        )
    } else {
        format!("su -s {shell} {user} -c {}", quote(inner))
    };
    let run = format!("-u {user} {shell} -c {}", quote(inner));
    Ok(match (privilege.method, &privilege.password, at) {
        (Method::Sudo, None, _) => format!("exec sudo -n -H {run}"),
        (Method::Sudo, Some(_), At::Pipes) => format!("exec sudo -S -H -p {prompt} {run}"),
        (Method::Sudo, Some(_), At::Terminal) => format!("exec sudo -H -p {prompt} {run}"),
        (Method::Doas, None, _) => format!("exec doas -n {run}"),
        (Method::Su, None, _) => format!("exec {su}"),
        // These have questions of their own words: what was said before them is told apart by a line of ours.
        (Method::Doas, Some(_), _) => format!("echo {prompt}; exec doas {run}"),
        (Method::Su, Some(_), _) => format!("echo {prompt}; exec env LC_ALL=C {su}"),
    })
}

/// What is waited for on a fresh channel.
struct Begun<'a> {
    privilege: &'a Privilege,
    user: Option<&'a str>,
    marker: &'a str,
    prompt: &'a str,
    at: At,
}

impl Begun<'_> {
    /// Drops what came before the marker on both streams: start-up files, sudo's words, sshd's own complaints. The question for a
    /// password is answered, once.
    async fn wait(&self, channel: &mut Channel) -> Result<(), String> {
        let mut out = Before::new(self.marker);
        let mut err = Before::new(self.marker);
        err.over = self.at == At::Terminal;
        let mut told = false;
        while !(out.over && err.over) {
            let asks = match self.at {
                At::Pipes => &mut err,
                At::Terminal => &mut out,
            };
            if let Some(password) = &self.privilege.password
                && self.user.is_some()
                && self.is_question(asks)
            {
                if told {
                    return Err(self.refused_password(""));
                }
                told = true;
                asks.text.clear();
                channel.send(format!("{}\n", password.expose()));
            }
            // A line without an end looks like a question; the one for the password is known.
            let asked = self.user.is_some() && !asks.over && asks.text.last().is_some_and(|b| *b != b'\n');
            let event = if asked {
                channel.next_within(ODD_PROMPT).await
            } else {
                channel.next().await
            };
            // `nologin` says its word where output goes.
            let said = |out: &Before, err: &Before| match last_line(&err.text) {
                none if none.is_empty() => last_line(&out.text),
                said => said,
            };
            match event {
                Event::Bytes(Stream::Out, bytes) => out.take(&bytes)?,
                Event::Bytes(Stream::Err, bytes) => err.take(&bytes)?,
                Event::Dropped(..) => {}
                Event::Exit(status) => {
                    let said = said(&out, &err);
                    return Err(match told && is_wrong_password(&said) {
                        true => self.refused_password(&said),
                        false => self.refused(&said, &format!("it ended with status {status}")),
                    });
                }
                Event::Gone(_) if asked => {
                    return Err(self.refused(&said(&out, &err), "it asks for something that is not known"));
                }
                Event::Gone(why) => return Err(self.refused(&said(&out, &err), &why)),
            }
        }
        channel.unread(Stream::Out, out.text);
        channel.unread(Stream::Err, err.text);
        Ok(())
    }

    /// It asks for the password: with our random word, or in the words of `su` and `doas`, behind that word.
    fn is_question(&self, so_far: &Before) -> bool {
        if so_far.over {
            return false;
        }
        if self.privilege.method == Method::Sudo {
            return so_far.text.ends_with(self.prompt.as_bytes());
        }
        let text = String::from_utf8_lossy(&so_far.text);
        let behind = text
            .rsplit_once(self.prompt)
            .map(|(_, behind)| behind.trim().to_lowercase());
        behind.is_some_and(|words| words.contains("password") && words.ends_with(':'))
    }

    fn refused_password(&self, said: &str) -> String {
        let (method, user) = (self.privilege.method.name(), self.user.unwrap_or_default());
        let what = format!("{method} refused the password for {user}");
        if said.is_empty() {
            what
        } else {
            format!("{what} ({said})")
        }
    }

    fn refused(&self, said: &str, how: &str) -> String {
        let what = match self.user {
            Some(user) => format!("could not become {user}: {how}"),
            None => format!("the login shell did not start the shell: {how}"),
        };
        if said.is_empty() {
            what
        } else {
            format!("{what} ({said})")
        }
    }
}

/// One stream: what came before its marker, then what came behind it.
struct Before {
    line: Vec<u8>,
    text: Vec<u8>,
    seen: usize,
    over: bool,
}

impl Before {
    fn new(marker: &str) -> Self {
        Self {
            line: format!("{marker}\n").into_bytes(),
            text: Vec::new(),
            seen: 0,
            over: false,
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        // The marker is not before this: what is older has been looked through.
        let from = self.text.len().saturating_sub(self.line.len());
        self.text.extend_from_slice(bytes);
        self.seen += bytes.len();
        if self.over {
            return if self.text.len() > LONGEST_START {
                Err(TOO_MUCH.to_owned())
            } else {
                Ok(())
            };
        }
        let fresh = self.text.get(from..).unwrap_or_default();
        if let Some(at) = fresh.windows(self.line.len()).position(|window| window == self.line) {
            self.text.drain(..from + at + self.line.len());
            self.over = true;
        } else if self.seen > LONGEST_NOISE {
            return Err(TOO_MUCH.to_owned());
        } else {
            let keep = self.text.len().saturating_sub(NOISE);
            self.text.drain(..keep);
        }
        Ok(())
    }
}

/// How much of what came before the marker is kept, how much may come, and how much behind one may wait for the other.
const NOISE: usize = 64 << 10;
const LONGEST_NOISE: usize = 1 << 20;
const LONGEST_START: usize = 16 << 20;
const TOO_MUCH: &str = "the login shell said more than a shell says before it begins";

/// Words of a host, short enough for a message.
pub(super) fn few(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(FEW).collect()
}

const FEW: usize = 300;

/// `su: Authentication failure`, `doas: Authentication failed`, `sudo: 1 incorrect password attempt`.
fn is_wrong_password(said: &str) -> bool {
    let said = said.to_lowercase();
    said.contains("authentication fail") || said.contains("incorrect password")
}

/// Of what a program said, the end.
fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    few(said.trim().lines().next_back().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_one_word_whatever_it_holds() {
        let nasty = "a'b \"$(id)\" `id` \\ \n * 'é'";
        let out = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf %s {}", quote(nasty)))
            .output()
            .unwrap();
        assert_eq!(out.stdout, nasty.as_bytes());
    }

    #[test]
    fn a_script_without_a_first_line_is_run_by_sh() {
        assert_eq!(interpreter_of(b"echo hi\n"), "sh");
        assert_eq!(
            interpreter_of(b"#!/usr/bin/env python3\nprint()"),
            "'/usr/bin/env' 'python3'"
        );
    }

    #[test]
    fn a_shell_is_a_path_with_plain_words_behind_it() {
        for good in ["/bin/sh", "busybox sh", "/usr/bin/ksh93", "bash --posix"] {
            assert!(is_shell(good), "{good}");
        }
        for bad in ["", " sh", "sh  -x", "-c", "sh;id", "$SHELL", "sh\n", "`id`"] {
            assert!(!is_shell(bad), "{bad}");
        }
    }

    #[test]
    fn a_user_name_that_is_an_option_is_refused() {
        let bad = opening(&Privilege::default(), Some("-s"), "true", "p", At::Pipes);
        assert!(bad.is_err());
    }
}
