//! `reboot`: needed or not, asked for, and proven by another boot.
//!
//! ```text
//! look      is it needed: yes, no, or nobody knows, with reasons; which boot it is; what has failed already
//! ask       the host restarts itself a moment after it said yes                          (latched)
//! down      a login fails, or meets another boot          limit `down`
//! port      something answers again                       limit `port`
//! login     a full login, and it is another boot          limit `login`
//! ready     its services have started, none has failed    limit `ready`
//!           that had not before, and the newest kernel runs
//! settle    a pause
//! ```
//! Each wait is by full logins with growing pauses: a port that answers proves no host, and an old host that is slow to go down
//! answers too. Only another boot identity ends the wait.
//!
//! Owns: what the host's words mean, and the phases. Must not: change the host otherwise.

use std::time::Duration;

use tokio::time::Instant;

use super::packages::WHOSE;
use super::proven::{self, Fields};
use super::{Done, End, Hands, Job, command};
use crate::plan::Value;
use crate::runbook::builtin::RebootLimits;
use crate::transport::{Command, Met, Sink};

/// Between two looks at first, and at last.
const PAUSE: Duration = Duration::from_millis(500);
/// Limit of a look while it is waited: a host that is going down may take it and not answer.
const GLANCE: Duration = Duration::from_secs(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// `reboot`.
#[derive(Clone, Copy, Debug)]
pub struct Reboot {
    /// Only if the host does not prove that it need not.
    pub only_if_needed: bool,
    /// Of its phases.
    pub limits: RebootLimits,
    /// Time to settle afterwards.
    pub settle: Duration,
}

/// Prints the state: one `word rest` a line. `boot` is the identity of this boot: of the kernel, and of the first process, because
/// a container keeps the kernel's.
pub fn look_text() -> String {
    LOOK.replacen("WHOSE\n", WHOSE, 1)
}

const LOOK: &str = r#": pitstop looks at reboot
LC_ALL=C; export LC_ALL
WHOSE
read -r b </proc/sys/kernel/random/boot_id
read -r s </proc/1/stat && s=${s##*) } && set -- $s && echo "boot $b/${20}"
echo "kernel $(uname -r)"
for f in /run/reboot-required /var/run/reboot-required; do
  [ -e "$f" ] || continue
  echo "yes the host says so$([ -s "$f.pkgs" ] && printf ': ' && sort -u "$f.pkgs" | tr '\n' ' ')"; break
done
# Only a host whose running kernel is one of its own knows a newest one: that of a container comes from outside.
k=$(uname -r)
if [ -e "/boot/vmlinuz-$k" ]; then
  echo "newest $(for n in /boot/vmlinuz-*; do echo "${n#/boot/vmlinuz-}"; done | sort -V | tail -n 1)"
elif [ ! -e /run/systemd/container ] && [ ! -d "/lib/modules/$k" ] && [ -d /lib/modules ] && [ "$(ls /lib/modules)" ]; then
  echo "yes the modules of the kernel that runs are gone"
fi
# The tool of its own family: another's may lie beside it, even under the same name, and knows nothing of this one's packages.
case $manager in apt) w=needrestart ;; zypper) w=zypper ;; dnf*) w=dnf ;; pacman | apk) w= ;; *) w='zypper needrestart' ;; esac
for w in $w none; do command -v $w >/dev/null && break; done
if [ $w = dnf ]; then
  # Its 1 is a yes, and the end of any mistake of its own too: only its words tell them apart.
  w=$(dnf -q needs-restarting -r 2>&1); case $?/$w in
    1/*'eboot is required'*) echo "yes needs-restarting says so" ;;
    0/*) echo "no needs-restarting" ;;
    *) echo "unclear dnf needs-restarting (of dnf-plugins-core) ends with an error: $(echo "$w" | tail -n 1)" ;;
  esac
elif [ $w = zypper ]; then
  zypper -q needs-rebooting >/dev/null 2>&1; s=$?; case $s in 102) echo "yes zypper says so" ;; 0) echo "no zypper" ;; *) echo "unclear zypper needs-rebooting ends with $s" ;; esac
elif [ $w = needrestart ]; then
  k=$(needrestart -b -k 2>/dev/null | sed -n 's/^NEEDRESTART-KSTA: *//p')
  case $k in 1) echo "no needrestart" ;; 2 | 3) echo "yes needrestart: another kernel is installed" ;; esac
elif [ -e /etc/kernel/postinst.d/unattended-upgrades ] || [ -e /usr/share/update-notifier/notify-reboot-required ]; then
  echo "no the hook that would write /run/reboot-required is installed"
else case $manager in
  pacman | apk) echo "unclear $manager does not tell" ;;
esac; fi
[ -r /proc/1/maps ] && grep -q ' /.*\.so.* (deleted)$' /proc/1/maps && echo "yes the first process uses files that were replaced"
if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
  echo "system $(systemctl is-system-running)"
  systemctl --failed --no-legend --plain | while read -r u _; do echo "failed $u"; done
fi
:"#;

/// Waits until the services have started, then looks.
const READY: &str = r"
if command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then systemctl is-system-running --wait >/dev/null 2>&1; fi
";

/// The host answers before it goes down: what was asked for and what was lost on the way can be told apart.
const ASK: &str = r#"if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
  exec systemd-run --quiet --collect --on-active=2s --timer-property=AccuracySec=100ms systemctl reboot
fi
for r in reboot 'shutdown -r now' 'busybox reboot'; do
  command -v ${r%% *} >/dev/null || continue
  (trap '' HUP; sleep 2; exec $r) </dev/null >/dev/null 2>&1 &
  exit 0
done
echo 'the host has no program that restarts it' >&2; exit 1"#;

/// What a look said.
#[derive(Debug, Default)]
struct State {
    boot: String,
    kernel: String,
    newest: String,
    system: String,
    yes: Vec<String>,
    no: Vec<String>,
    unclear: Vec<String>,
    failed: Vec<String>,
}

impl State {
    fn read(said: &str) -> Self {
        let mut state = Self::default();
        for line in said.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim().to_owned();
            match word {
                "boot" => state.boot = rest,
                "kernel" => state.kernel = rest,
                "newest" => state.newest = rest,
                "system" => state.system = rest,
                "yes" => state.yes.push(rest),
                "no" => state.no.push(rest),
                "unclear" => state.unclear.push(rest),
                "failed" => state.failed.push(rest),
                _ => {}
            }
        }
        if state.has_older_kernel() {
            state
                .yes
                .push(format!("{} runs, {} is installed", state.kernel, state.newest));
        }
        state
    }

    /// Its kernel is one of its own, and not the newest.
    fn has_older_kernel(&self) -> bool {
        !self.newest.is_empty() && self.newest != self.kernel
    }

    fn needed(&self) -> Needed {
        match (self.yes.is_empty(), self.no.is_empty()) {
            (false, _) => Needed::Yes(self.yes.join("; ")),
            (true, false) => Needed::No(self.no.join("; ")),
            (true, true) => Needed::Unknown(self.unclear.join("; ")),
        }
    }
}

/// Whether a restart is needed. That nothing says so proves nothing.
#[derive(Debug, PartialEq, Eq)]
enum Needed {
    Yes(String),
    No(String),
    /// And why, as far as that is known.
    Unknown(String),
}

impl Needed {
    fn words(&self) -> String {
        match self {
            Self::Yes(why) => format!("needed: {why}"),
            Self::No(by) => format!("not needed: {by}"),
            Self::Unknown(why) if why.is_empty() => "whether it is needed is not known".to_owned(),
            Self::Unknown(why) => format!("whether it is needed is not known: {why}"),
        }
    }
}

/// What a look says of the need of a restart, in words; `None`: it is not known.
pub(super) fn needed(said: &str) -> (Option<bool>, String) {
    let needed = State::read(said).needed();
    let answer = match needed {
        Needed::Yes(_) => Some(true),
        Needed::No(_) => Some(false),
        Needed::Unknown(_) => None,
    };
    (answer, needed.words())
}

impl Reboot {
    /// What it would do from this state, in words.
    pub fn words(&self, former: Option<&str>) -> String {
        match former.map(|f| State::read(f).needed()) {
            Some(needed) if self.only_if_needed => format!("reboot if needed ({})", needed.words()),
            Some(needed) => format!("reboot ({})", needed.words()),
            None if self.only_if_needed => "reboot if needed".to_owned(),
            None => "reboot".to_owned(),
        }
    }

    /// What would become of the host in this state, in words.
    pub fn foreseen(&self, former: &str) -> String {
        let does = match self.is_spared(former) {
            true => "it is left alone",
            false => "it restarts",
        };
        format!("{does} ({})", State::read(former).needed().words())
    }

    /// True if the host proves that it need not.
    pub fn is_spared(&self, former: &str) -> bool {
        self.only_if_needed && matches!(State::read(former).needed(), Needed::No(_))
    }

    /// Does it from the captured state.
    pub(super) async fn perform(&self, job: &Job, former: Option<&str>, hands: &Hands, sink: &mut dyn Sink) -> Done {
        match hands.session(&job.on).await {
            Ok(session) if session.is_scripted() => {
                let mut done = proven::scripted(job, self.words(None), hands, sink).await;
                let (key, value) = rebooted(done.end == End::Good);
                done.more.entry(key).or_insert(value);
                done.unchanged = is_refused(&done.end);
                return done;
            }
            Ok(_) => {}
            Err(error) => return Done::end(End::Unreachable(error.advised())),
        }
        let Some(former) = former else {
            return Done::end(End::Failed("the state before it was not captured".to_owned()));
        };
        if self.is_spared(former) {
            return Done {
                unchanged: true,
                ..done(
                    End::Good,
                    Fields::from([rebooted(false), reasons(&State::read(former))]),
                )
            };
        }
        let began = Instant::now();
        match command::run(job, &Command::Shell(ASK.to_owned()), hands, sink).await {
            End::Exited(0) => self.wait(job, &State::read(former), began, hands).await,
            // The link may go down before the answer came, and the host with it.
            End::Unknown { why, stopped } => match self.wait(job, &State::read(former), began, hands).await {
                done if done.end == End::Good => done,
                _ => Done::end(End::Unknown { why, stopped }),
            },
            end => Done {
                unchanged: is_refused(&end),
                ..Done::end(end)
            },
        }
    }

    /// After a crash: another boot is the proof, whatever became of the asking. A host that does not answer may be on its way.
    pub(super) async fn recover(&self, job: &Job, former: Option<&str>, hands: &Hands, sink: &mut dyn Sink) -> Done {
        let Some(former) = former else {
            return Done::end(command::recover(job, hands, sink).await);
        };
        let (former, began) = (State::read(former), Instant::now());
        let limit = millis(self.limits.down_ms) + millis(self.limits.port_ms) + millis(self.limits.login_ms);
        let mut pause = PAUSE;
        loop {
            match look(job, &look_text(), GLANCE, hands).await {
                Ok(now) if now.boot != former.boot => return self.wait(job, &former, began, hands).await,
                Ok(_) => break,
                Err(why) if began.elapsed() >= limit => {
                    let why = format!("the run was interrupted, and the host cannot be asked: {why}");
                    return Done::end(End::Unknown { why, stopped: false });
                }
                Err(_) => {}
            }
            hands.close(&job.on).await;
            if let Some(end) = rest(job, pause.min(limit.saturating_sub(began.elapsed())), hands).await {
                return Done::end(end);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        // It is the boot that it was: was it asked at all?
        match command::recover(job, hands, sink).await {
            End::Exited(0) | End::Unknown { stopped: true, .. } => self.wait(job, &former, began, hands).await,
            end => Done::end(end),
        }
    }

    /// From the moment when it was asked for until it is proven.
    async fn wait(&self, job: &Job, former: &State, began: Instant, hands: &Hands) -> Done {
        let mut phase = Phase::Down;
        let (mut since, mut pause) = (Instant::now(), PAUSE);
        let mut down_at: Option<Instant> = None;
        let mut last = String::new();
        loop {
            hands.close(&job.on).await;
            let seen = match hands.session(&job.on).await {
                Ok(_) => look(job, &look_text(), GLANCE.min(self.limit(phase)), hands)
                    .await
                    .map_err(|why| (Met::Server, why)),
                Err(error) => Err((error.met, error.to_string())),
            };
            let next = match seen {
                Ok(now) if now.boot.is_empty() => {
                    return Done::end(End::Failed("it does not tell its boot".to_owned()));
                }
                Ok(now) if now.boot != former.boot => break,
                // The old one, also if it did not answer for a while.
                Ok(_) => Phase::Down,
                Err((Met::Stranger, why)) => return Done::end(End::Failed(format!("after the restart, {why}"))),
                Err((met, why)) => {
                    last = why;
                    down_at.get_or_insert_with(Instant::now);
                    match (met, phase) {
                        (Met::Server, Phase::Port | Phase::Login) => Phase::Login,
                        (Met::Nothing, Phase::Login) | (_, Phase::Down) => Phase::Port,
                        (_, now) => now,
                    }
                }
            };
            if next != phase {
                (phase, since, pause) = (next, Instant::now(), PAUSE);
            }
            let limit = self.limit(phase);
            if since.elapsed() >= limit || began.elapsed() >= job.timeout {
                return Done::end(End::Failed(phase.missed(since.elapsed(), &last)));
            }
            if let Some(end) = rest(job, pause.min(limit.saturating_sub(since.elapsed())), hands).await {
                return Done::end(end);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        let down_for = down_at.map_or(began.elapsed(), |at| at.elapsed());
        self.settled(job, former, down_for, hands).await
    }

    fn limit(&self, phase: Phase) -> Duration {
        millis(match phase {
            Phase::Down => self.limits.down_ms,
            Phase::Port => self.limits.port_ms,
            Phase::Login => self.limits.login_ms,
        })
    }

    /// It is another boot: are its services up, and is it what was installed?
    async fn settled(&self, job: &Job, former: &State, down_for: Duration, hands: &Hands) -> Done {
        let limit = Duration::from_millis(self.limits.ready_ms);
        let now = match tokio::time::timeout(limit, look(job, &format!("{READY}{}", look_text()), limit, hands)).await {
            Ok(Ok(now)) => now,
            Ok(Err(why)) => return Done::end(End::Failed(format!("it restarted, and cannot be looked at: {why}"))),
            Err(_) => {
                let seconds = limit.as_secs();
                return Done::end(End::Failed(format!("it restarted, and is not ready after {seconds} s")));
            }
        };
        let new: Vec<&str> = now
            .failed
            .iter()
            .filter(|u| !former.failed.contains(u))
            .map(String::as_str)
            .collect();
        let mut more = Fields::from([rebooted(true), reasons(former)]);
        let down_ms = u64::try_from(down_for.as_millis()).unwrap_or(u64::MAX);
        more.insert("down_for".to_owned(), Value::Duration { duration_ms: down_ms });
        let wrong = if !new.is_empty() {
            Some(format!(
                "it restarted, and {} failed, which had not before",
                new.join(", ")
            ))
        } else if !matches!(now.system.as_str(), "" | "running" | "degraded") {
            Some(format!("it restarted, and systemd is {}", now.system))
        } else if now.has_older_kernel() {
            Some(format!(
                "it restarted with {}, and {} is installed",
                now.kernel, now.newest
            ))
        } else {
            None
        };
        if let Some(why) = wrong {
            return done(End::Failed(why), more);
        }
        hands.clock.sleep(self.settle).await;
        done(End::Good, more)
    }
}

/// The host said no, and goes on as before.
fn is_refused(asked: &End) -> bool {
    matches!(asked, End::Exited(_))
}

/// Where the wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    Port,
    Login,
}

impl Phase {
    fn missed(self, limit: Duration, last: &str) -> String {
        let seconds = limit.as_secs();
        match self {
            Self::Down => format!("it did not go down within {seconds} s: it is still the same boot"),
            Self::Port => format!("it went down, and nothing answers after {seconds} s ({last})"),
            Self::Login => format!("it answers, and takes no login after {seconds} s ({last})"),
        }
    }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Waits so long, unless the second signal comes: then it is that.
async fn rest(job: &Job, time: Duration, hands: &Hands) -> Option<End> {
    let mut cancel = job.cancel.clone();
    tokio::select! {
        biased;
        () = hands.clock.sleep(time) => None,
        _ = cancel.wait_for(|stop| *stop) => Some(End::Cancelled),
    }
}

async fn look(job: &Job, script: &str, limit: Duration, hands: &Hands) -> Result<State, String> {
    let said = proven::look(job, script.to_owned(), limit, hands).await?;
    Ok(State::read(&said))
}

fn done(end: End, more: Fields) -> Done {
    Done {
        end,
        unchanged: false,
        rc: None,
        more,
    }
}

fn rebooted(did: bool) -> (String, Value) {
    ("rebooted".to_owned(), Value::Bool(did))
}

fn reasons(state: &State) -> (String, Value) {
    ("needed".to_owned(), Value::Text(state.needed().words()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_nothing_says_so_does_not_prove_that_it_is_not_needed() {
        let needed = |said: &str| State::read(said).needed();
        assert_eq!(needed("boot a/1\nkernel 6.1\n"), Needed::Unknown(String::new()));
        assert_eq!(
            needed("kernel 6.1\nunclear zypper needs-rebooting ends with 1\n"),
            Needed::Unknown("zypper needs-rebooting ends with 1".to_owned())
        );
        assert_eq!(
            needed("kernel 6.1\nno needrestart\n"),
            Needed::No("needrestart".to_owned())
        );
        assert_eq!(
            needed("kernel 6.1\nno needrestart\nyes the host says so: libc6\n"),
            Needed::Yes("the host says so: libc6".to_owned())
        );
        assert!(matches!(needed("kernel 6.1\nnewest 6.2\nno x\n"), Needed::Yes(_)));
    }
}
