//! The host's own lock: one directory in `/var/tmp`, seen by every account and every controller.
//!
//! Owns: its name, its note, taking and giving back. Must not: break a lock; only a person does that, by name.

use super::host::Host;
use super::shell::{few, quote};
use super::{LockNote, LockOutcome};
use crate::id::{Digest, RunId};

/// mkdir is the lock, and the note follows at once. `/var/tmp` is sticky, so nobody else can remove either.
///
/// Whoever comes between the two (two names of one machine in one run do) waits for the note, which says whose lock it is. A lock
/// that is gone when its note is looked for was given back this instant: it is tried again, and never taken for a host without a
/// place, for there this run would go on with no lock at all.
const TAKE: &str = r#"
umask 022
n=0 waited=0
while [ "$n" -lt 50 ]; do
  n=$((n + 1))
  if x=$(mkdir "$l" 2>&1); then
    printf '%s\n' "$run" "$operator" "$controller" "$at" >"$l/note" || { rm -f "$l/note"; rmdir "$l"; echo "its note cannot be written"; exit 2; }
    exit 0
  fi
  if [ ! -h "$l" ] && [ ! -e "$l" ]; then
    [ -d /var/tmp ] && [ -w /var/tmp ] || break
    continue
  fi
  if [ -f "$l/note" ] && [ ! -h "$l/note" ] && y=$(head -c 4096 "$l/note" 2>/dev/null) && [ -n "$y" ]; then
    printf '%s\n' "$y"
    exit 1
  fi
  [ -e "$l" ] || [ -h "$l" ] || continue
  [ "$waited" -lt 30 ] || exit 1
  waited=$((waited + 1))
  sleep 0.1 2>/dev/null || { sleep 1; waited=$((waited + 9)); }
done
echo "$x"
exit 2
"#;

/// Another name of this machine may give it back in the same instant: a lock that is gone is given back.
const GIVE: &str = r#"
[ -d "$l" ] || exit 0
x=
[ -e "$l/note" ] && read -r x <"$l/note"
if [ "$x" != "$run" ]; then
  [ -n "$x" ] || sleep 1
  [ -d "$l" ] || exit 0
  echo "the lock $l is not of this run"
  exit 1
fi
rm -f "$l/note"
x=$(rmdir "$l" 2>&1) || [ ! -d "$l" ] || { echo "$x"; exit 1; }
"#;

impl Host {
    /// Named after what stays with the machine, however it was reached: an SSH host key, else its machine id.
    fn lock_path(&self) -> String {
        let identity = match self.facts.identity() {
            "" => "this-machine",
            known => known,
        };
        let hash: String = Digest::of(identity.as_bytes()).hex().chars().take(16).collect();
        format!("/var/tmp/pitstop-lock-{hash}")
    }

    /// [`super::Session::lock`].
    pub(super) async fn take_lock(&self, note: &LockNote) -> Result<LockOutcome, String> {
        let text = format!(
            "l={} run={} operator={} controller={} at={}\n{TAKE}",
            quote(&self.lock_path()),
            one_line(&note.run),
            one_line(&note.operator),
            one_line(&note.controller),
            one_line(&note.at),
        );
        let (said, status) = self.login_script(&text).await?;
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok(match status {
            0 => LockOutcome::Taken,
            1 => {
                let held = read_note(&said);
                if held.run == note.run {
                    LockOutcome::Taken
                } else {
                    LockOutcome::Held(held)
                }
            }
            _ => LockOutcome::NoPlace(few(said.trim())),
        })
    }

    /// [`super::Session::unlock`].
    pub(super) async fn give_lock(&self, run: &RunId) -> Result<(), String> {
        let text = format!("l={} run={}\n{GIVE}", quote(&self.lock_path()), quote(run.as_str()));
        match self.login_script(&text).await? {
            (_, 0) => Ok(()),
            (said, _) => Err(few(String::from_utf8_lossy(&said).trim())),
        }
    }
}

fn one_line(text: &str) -> String {
    quote(&text.chars().filter(|c| !c.is_control()).take(200).collect::<String>())
}

/// A note that is missing or odd (its writer died in between, or somebody else made it) still holds.
fn read_note(text: &str) -> LockNote {
    let mut lines = text.lines().map(few);
    let mut next = || {
        lines
            .next()
            .filter(|l| !l.is_empty())
            .unwrap_or_else(|| "unknown".to_owned())
    };
    LockNote {
        run: next(),
        operator: next(),
        controller: next(),
        at: next(),
    }
}
