//! Files to and from a host: temporary name, digest on the far side, fsync, rename.
//!
//! Owns: the order of these, for every transport. Must not: run steps.

use std::time::Duration;

use tokio::time::Instant;

use super::channel::Event;
use super::host::Host;
use super::latch::{ANSWER, Lane, SLOWEST};
use super::shell::{self, quote};
use super::{Put, Sink, Stream, look};
use crate::id::Digest;

/// What a host has to say about a file that it does not give or take.
const SAID: usize = 1024;

/// Bytes given to a channel at a time.
const PIECE: usize = 256 << 10;

/// Behind [`look::sum`]. Tells whether file `$1` has the digest `$2`: 0 it has, 1 it has not or is not there, 2 nobody can tell.
const HAS_DIGEST: &str = r#"
has() { [ -f "$1" ] || return 1; x=$(sum "$1") || return 2; [ "$x" = "$2" ]; }
"#;

/// What is said of a host on which `has` cannot tell.
const NO_DIGEST: &str =
    "the host has no program that makes a SHA-256 (sha256sum, shasum, openssl, busybox, perl): install one";

/// Where the file really goes (through a link), or why it cannot.
const PREPARE: &str = r#"
[ -h "$d" ] && d=$(readlink -f "$d")
[ -d "$d" ] && { echo "$d is a directory"; exit 1; }
p=${d%/*}; [ "$p" = "$d" ] && p=.; [ "$p" ] || p=/
[ -d "$p" ] || { echo "there is no directory $p"; exit 1; }
[ -w "$p" ] || { echo "the directory $p cannot be written"; exit 1; }
echo "$d"
"#;

/// Checks, owner before mode (a change of owner clears bits of the mode), validation, fsync, rename.
const FINISH: &str = r#"
no() { rm -f "$t"; echo "$1"; exit 1; }
has "$t" "$h"
case $? in 0) ;; 2) no "$n" ;; *) no "the file did not arrive whole" ;; esac
if [ -e "$d" ]; then
  [ "$o" ] || { o=$(stat -c %u:%g "$d") && [ "$o" = "$(stat -c %u:%g "$t")" ] && o=; }
  [ "$m" ] || m=$(stat -c %a "$d")
fi
[ -z "$o" ] || x=$(chown "$o" "$t" 2>&1) || no "the owner $o cannot be set: $x"
x=$(chmod "${m:-644}" "$t" 2>&1) || no "the mode $m cannot be set: $x"
if [ "$v" ]; then
  x=$( (eval "$v") 2>&1) || no "the validation refused it: $x"
  has "$t" "$h" || no "the validation changed it"
fi
sync "$t" 2>/dev/null || sync
x=$(mv -f "$t" "$d" 2>&1) && [ -f "$d" ] || no "it cannot be put in place: $x"
"#;

impl Host {
    /// Writes a file beside the run's records, whole or not at all.
    pub(super) async fn deliver(
        &self,
        lane: &mut Lane,
        user: Option<&str>,
        path: &str,
        content: &[u8],
    ) -> Result<(), String> {
        let temporary = format!("{path}.{}", shell::nonce()?);
        self.send_file(user, &temporary, content).await?;
        let text = format!(
            "{}{HAS_DIGEST}t={}\nhas \"$t\" {} && mv -f \"$t\" {}",
            look::sum(content.len()),
            quote(&temporary),
            Digest::of(content).hex(),
            quote(path)
        );
        match lane.script(&text, ANSWER).await? {
            (_, 0) => Ok(()),
            (_, 2) => Err(NO_DIGEST.to_owned()),
            _ => Err("what the step needs did not arrive whole on the host".to_owned()),
        }
    }

    /// A new file of 0600 with these bytes; it must not exist.
    async fn send_file(&self, user: Option<&str>, path: &str, content: &[u8]) -> Result<(), String> {
        if user.is_none() {
            let sent = match self.channels.upload(path, content).await {
                Some(Err(why)) if self.makes_room(&why) => self.channels.upload(path, content).await,
                other => other,
            };
            if let Some(sent) = sent {
                return sent;
            }
        }
        // Not `cat`: at a terminal there is no end of input.
        let take = match content.len() {
            0 => ":".to_owned(),
            length => format!("exec head -c {length}"),
        };
        let inner = format!("umask 077; set -C; {take} >{}", quote(path));
        let mut channel = self.channel(user, &inner).await?;
        for piece in content.chunks(PIECE) {
            channel.send(piece);
        }
        channel.end_input();
        let mut said = Vec::new();
        loop {
            match channel.next().await {
                Event::Bytes(_, bytes) => keep(&mut said, &bytes),
                Event::Dropped(..) => {}
                Event::Exit(0) => return Ok(()),
                Event::Exit(_) => return Err(String::from_utf8_lossy(&said).trim().to_owned()),
                Event::Gone(why) => return Err(why),
            }
        }
    }

    /// [`super::Session::put`].
    pub(super) async fn put_file(&self, file: Put) -> Result<(), String> {
        match tokio::time::timeout(file.timeout, self.put_steps(&file)).await {
            Ok(result) => result,
            Err(_) => Err(format!(
                "{} was not written within {} s",
                file.dest,
                file.timeout.as_secs()
            )),
        }
    }

    async fn put_steps(&self, file: &Put) -> Result<(), String> {
        let user = file.become_user.as_deref();
        let _turn = self.turn().await?;
        let mut lane = self.lane(user).await?;
        let text = format!("d={}\n{PREPARE}", quote(&file.dest));
        let (said, status) = lane.script(&text, ANSWER).await?;
        let said = String::from_utf8_lossy(&said).trim_end_matches('\n').to_owned();
        if status != 0 {
            self.give_back(user, lane);
            return Err(said);
        }
        let temporary = match said.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/.pitstop-{}", shell::nonce()?),
            None => format!(".pitstop-{}", shell::nonce()?),
        };
        let sent = self.send_file(user, &temporary, &file.content).await;
        let result = match sent {
            Ok(()) => self.finish_put(&mut lane, file, &temporary, &said).await,
            Err(why) => {
                // The rest of a file that did not arrive is ours to remove; the reason matters more than the removal.
                let _ = lane.script(&format!("rm -f {}", quote(&temporary)), ANSWER).await;
                Err(format!("{} could not be sent: {why}", file.dest))
            }
        };
        self.give_back(user, lane);
        result
    }

    async fn finish_put(&self, lane: &mut Lane, file: &Put, temporary: &str, dest: &str) -> Result<(), String> {
        let validate = file.validate.as_deref().map(|v| v.replace("{}", &quote(temporary)));
        let text = format!(
            "t={} d={} h={} o={} m={} v={} n={}\n{}{HAS_DIGEST}{FINISH}",
            quote(temporary),
            quote(dest),
            file.content.digest().hex(),
            quote(file.owner.as_deref().unwrap_or_default()),
            file.mode.map(|m| format!("{m:o}")).unwrap_or_default(),
            quote(validate.as_deref().unwrap_or_default()),
            quote(NO_DIGEST),
            look::sum(file.content.len()),
        );
        match lane.script(&text, file.timeout).await? {
            (_, 0) => Ok(()),
            (said, _) => Err(format!("{}: {}", file.dest, String::from_utf8_lossy(&said).trim())),
        }
    }

    /// [`super::Session::get`].
    pub(super) async fn get_file(
        &self,
        path: &str,
        max_bytes: u64,
        user: Option<&str>,
        sink: &mut dyn Sink,
    ) -> Result<(), String> {
        let inner = format!(
            "f={}; [ -f \"$f\" ] || {{ echo there is no such file >&2; exit 1; }}; exec head -c {} <\"$f\"",
            quote(path),
            max_bytes.saturating_add(1)
        );
        let _turn = self.turn().await?;
        let mut channel = self.channel(user, &inner).await?;
        channel.end_input();
        let (mut got, mut said) = (0_u64, Vec::new());
        let begun = Instant::now();
        loop {
            // Words on the other stream are not the file.
            let due = begun + SILENCE + Duration::from_secs(got / SLOWEST);
            let event = tokio::time::timeout_at(due, channel.next()).await;
            match event.map_err(|_| format!("{path} comes slower than {SLOWEST} bytes a second"))? {
                Event::Bytes(Stream::Out, bytes) => {
                    got += bytes.len() as u64;
                    if got > max_bytes {
                        return Err(format!("{path} is larger than the limit of {max_bytes} bytes"));
                    }
                    sink.take(Stream::Out, &bytes);
                }
                Event::Bytes(Stream::Err, bytes) => keep(&mut said, &bytes),
                Event::Dropped(..) => return Err(format!("{path} came faster than it could be kept")),
                Event::Exit(0) => return Ok(()),
                // At a terminal its words came as if they were the file's.
                Event::Exit(_) if said.is_empty() => return Err(format!("{path} is not there, or cannot be read")),
                Event::Exit(_) => return Err(format!("{path}: {}", String::from_utf8_lossy(&said).trim())),
                Event::Gone(why) => return Err(format!("{path}: {why}")),
            }
        }
    }
}

fn keep(said: &mut Vec<u8>, bytes: &[u8]) {
    let room = SAID.saturating_sub(said.len()).min(bytes.len());
    said.extend(bytes.iter().take(room));
}

/// A read may take so long, and a second more for each [`SLOWEST`] bytes that it has brought.
const SILENCE: Duration = Duration::from_secs(30);
