//! The package managers: which of them a host's packages are, and what each is told to do.
//!
//! A look finds out by itself whose packages they are, answers in the lines that are the same for all, and names the manager; what is
//! done from there is made for that one. Who owns the system is what it says of itself in `os-release`: another family's tools may
//! well lie beside its own.
//!
//! Owns: that choice, and what all of them share. Must not: read an answer, or know one manager's words.

use std::fmt;
use std::time::Duration;

use super::{apk, apt, dnf, dnf5, pacman, zypper};
use crate::runbook::builtin::Conffiles;
use crate::runbook::expr::quote::sh_word as quote;

/// Whose tools work on a host's packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manager {
    /// Also of a look that names none, as those of older journals.
    #[default]
    Apt,
    Dnf,
    Dnf5,
    Zypper,
    Pacman,
    Apk,
}

/// Sets `manager`: by what the system says that it is, else by what is there.
pub(in crate::action) const WHOSE: &str = r#"manager=
for i in $( (ID= ID_LIKE=; for f in /etc/os-release /usr/lib/os-release; do [ -r $f ] && . $f && break; done; echo "$ID $ID_LIKE") ); do
  case $i in
    debian | ubuntu) manager=apt ;;
    fedora | rhel | centos | almalinux | rocky | ol | amzn | mageia) manager=dnf ;;
    suse | opensuse* | sles | sle*) manager=zypper ;;
    arch | archarm) manager=pacman ;;
    alpine) manager=apk ;;
    *) continue ;;
  esac
  break
done
[ "$manager" ] || for m in apt-get dnf zypper pacman apk; do command -v $m >/dev/null && { manager=${m%-get}; break; }; done
[ "$manager" != dnf ] || case $(readlink -f "$(command -v dnf || command -v dnf5)") in *dnf5) manager=dnf5 ;; esac
"#;

/// The run's own directory on the host holds what it keeps for the way back: it goes when the run leaves the host, and not before.
/// Sets `run_dir` and `stash`.
const PLACE: &str = r#"run_dir= stash=
for i in "${HOME:-/}/.pitstop/$RUN" "/var/tmp/.pitstop-$(id -u)/$RUN"; do [ -d "$i" ] && [ -O "$i" ] && { run_dir=$i stash=$i/stash; break; }; done
"#;

/// `idle SECONDS` waits until nobody works on the packages, and else names who does. What a manager looks at for that is its `busy`.
const WAIT: &str = r#"who() { echo "process $1 ($(cat "/proc/$1/comm" 2>/dev/null))"; }
idle() {
  left=$1
  while b=$(busy) && [ "$b" ]; do [ $left -gt 0 ] || { echo "$b" >&2; exit 100; }; left=$((left - 2)); sleep 2; done
}
"#;

/// `busy` of all that work on rpm's packages: their files of process numbers, and the lock of rpm itself.
pub(super) const RPM_BUSY: &str = r#"busy() {
  for f in /var/cache/dnf/metadata_lock.pid /var/cache/dnf/download_lock.pid /var/lib/dnf/rpmdb_lock.pid /run/zypp.pid /run/yum.pid; do
    p=; [ -s "$f" ] && read -r p _ <"$f"; [ "$p" ] && [ -d "/proc/$p" ] && { echo "the packages are locked: $f is of $(who "$p")"; return; }
  done
  f=$(readlink -f "$(rpm --eval %_dbpath)")/.rpm.lock; i=$(stat -c %i "$f" 2>/dev/null) || return 0
  while read -r _ k _ w p at _; do
    case $k/$w/$at in POSIX/WRITE/*:"$i") ls -l "/proc/$p/fd" 2>/dev/null | grep -qF "$f" && { echo "the packages are locked: $f is held by $(who "$p")"; return; } ;; esac
  done </proc/locks
}
"#;

/// Every installed package of rpm; one that is there twice, and is none of those that may be, is half done. And what changed settings
/// left beside them.
pub(super) const RPM_INVENTORY: &str = r#"echo "arch $(uname -m)"
many=" $(rpm -q --whatprovides 'multiversion(kernel)' 'installonlypkg(kernel)' kernel 'installonlypkg(kernel-module)' --qf '%{NAME} ' 2>/dev/null | grep -v '^no package' | tr '\n' ' ')"
rpm -qa --qf '%{NAME}:%{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' | awk -v many="$many" '
  /^gpg-pubkey:/ { next }
  { sub(/ 0:/, " "); n[$1]++; line[NR] = $0 }
  END { for (i in line) { split(line[i], w, " "); split(w[1], x, ":")
    print "inst", line[i], (n[w[1]] > 1 && !index(many, " " x[1] " ") ? "iH" : "ii") } }' || exit
[ "$(rpm -qa | head -n 1)" ] || { echo 'rpm says nothing of its packages' >&2; exit 3; }
find /etc -xdev '(' -name '*.rpmnew' -o -name '*.rpmsave' ')' 2>/dev/null | sed 's/^/dist /'
[ -d "$stash" ] && for f in "$stash"/*.rpm; do [ -e "$f" ] && rpm -qp --nosignature --qf 'stash %{NAME}:%{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} ' "$f" 2>/dev/null | sed 's/ 0:/ /' && echo "$f"; done
[ "$run_dir" ] && [ -e "$run_dir/broke" ] && sed 's/^/broke /' "$run_dir/broke"
"#;

/// `noted FILTER COMMAND...` runs it, its end is that of the command; the packages whose own script failed, which the managers
/// themselves call a success, are noted for the look.
const NOTED: &str = r#"noted() {
  filter=$1; shift; o=$(mktemp) || exit
  { "$@" </dev/null 2>&1; echo $? >"$o.rc"; } | tee "$o"
  rc=$(cat "$o.rc"); "$filter" <"$o" | sort -u >"$o.broke"
  [ ! -s "$o.broke" ] || [ ! "$run_dir" ] || cat "$o.broke" >>"$run_dir/broke"
  [ ! -s "$o.broke" ] || [ "$rc" -ne 0 ] || { rc=107; sed 's/$/: its own script failed/' "$o.broke" >&2; }
  rm -f "$o" "$o.rc" "$o.broke"; return "$rc"
}
[ ! "$run_dir" ] || rm -f "$run_dir/broke"
"#;

/// As rpm says it, whoever started it.
pub(super) const RPM_BROKE: &str = r#"rpm_broke() { sed -n 's/.*%[a-z]*(\(.*\)-[^-]*-[^-]*) scriptlet failed.*/\1/p'; }
"#;

/// What a look is for.
pub(super) enum Look<'n> {
    /// These, and what can be had of them.
    Of(&'n [String]),
    /// All that is installed or in these names, and what can be had of that.
    All(&'n [&'n str]),
    /// What an upgrade would do, when nobody else works on the packages any more: what is half done then is not broken. `refresh`:
    /// after the sources were asked anew, each of which must answer.
    Updates {
        /// For so long others are waited for.
        lock_wait: Duration,
        refresh: bool,
    },
}

/// The look at a host, whoever's its packages are.
pub(super) fn look(run: &str, look: &Look<'_>) -> String {
    let (label, what, names, wait, refresh) = match look {
        Look::Of(names) => (format!("packages {}", names.join(" ")), "of", names.join(" "), 0, false),
        Look::All(names) => ("all packages".to_owned(), "all", names.join(" "), 0, false),
        Look::Updates { lock_wait, refresh } => (
            "updates".to_owned(),
            "updates",
            String::new(),
            lock_wait.as_secs(),
            *refresh,
        ),
    };
    let mut text = format!(
        ": {}\nLC_ALL=C; export LC_ALL\nRUN={run} what={what} names={} wait={wait} refresh={}\n{PLACE}{WAIT}{WHOSE}case $manager in\n",
        quote(&format!("pitstop looks at {label}")),
        quote(&names),
        if refresh { "1" } else { "" }
    );
    for manager in Manager::ALL {
        text.push_str(&format!(
            "{})\ncommand -v {} >/dev/null || {{ echo 'its packages are those of {0}, and it has no {1}' >&2; exit 3; }}\necho manager {0}\n{} ;;\n",
            manager.name(),
            manager.program(),
            manager.look()
        ));
    }
    text.push_str("*) echo 'it has no package manager that is known here' >&2; exit 3 ;;\nesac\n:");
    text
}

/// How a manager is to work.
pub(super) struct How<'r> {
    /// The run.
    pub run: &'r str,
    /// What happens to settings that were changed by hand.
    pub conffiles: Option<Conffiles>,
    /// How long to wait for the lock.
    pub lock_wait: Duration,
    /// It may take versions that are older.
    pub older: bool,
    /// It may remove what was not named.
    pub may_remove: bool,
    /// What comes new came for the sake of others, and takes nothing with it that is only recommended.
    pub exact: bool,
}

/// What is to become of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// There, in this version.
    Put {
        name: String,
        /// With its architecture, where it is known.
        full: String,
        version: String,
        /// A copy of it on the host, to be taken instead of any source.
        path: Option<String>,
        /// No version of it is there.
        fresh: bool,
    },
    /// Not there.
    Gone {
        name: String,
        full: String,
        /// Only this one of several.
        version: String,
    },
}

impl Want {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Put { name, .. } | Self::Gone { name, .. } => name,
        }
    }
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { path: Some(path), .. } => f.write_str(path),
            Self::Put { name, version, .. } => write!(f, "{name}={version}"),
            Self::Gone { name, .. } => write!(f, "{name}-"),
        }
    }
}

/// All of them in words.
pub(super) fn listed(wants: &[Want]) -> String {
    wants.iter().map(Want::to_string).collect::<Vec<_>>().join(" ")
}

/// Each in a shell of its own, as long as each ends with 0.
pub(super) fn one_after_another(scripts: Vec<String>) -> Option<String> {
    match scripts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(
            many.iter()
                .map(|one| format!("(\n{one}\n)"))
                .collect::<Vec<_>>()
                .join(" && "),
        ),
    }
}

/// For a shell.
pub(super) fn words<S: AsRef<str>>(words: &[S]) -> String {
    words
        .iter()
        .map(|word| quote(word.as_ref()))
        .collect::<Vec<_>>()
        .join(" ")
}

impl Manager {
    const ALL: [Self; 6] = [Self::Apt, Self::Dnf, Self::Dnf5, Self::Zypper, Self::Pacman, Self::Apk];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|manager| manager.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Apt => "apt",
            Self::Dnf => "dnf",
            Self::Dnf5 => "dnf5",
            Self::Zypper => "zypper",
            Self::Pacman => "pacman",
            Self::Apk => "apk",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            other => other.name(),
        }
    }

    /// Written after what its documentation shows, and never seen at work by a test: said wherever it is about to work.
    pub(super) fn unproven(self) -> &'static str {
        match self {
            Self::Dnf5 => " (with dnf5, which is unproven in this build)",
            Self::Apk => " (with apk, which is unproven in this build)",
            _ => "",
        }
    }

    /// What mends a package that is half done.
    pub(super) fn mend(self) -> &'static str {
        match self {
            Self::Apt => "mend it with `dpkg --configure -a`",
            Self::Dnf | Self::Dnf5 => {
                "look at the end of its own script in the output of this run, or at `dnf check --duplicates`, and install it again"
            }
            Self::Zypper => {
                "look at the end of its own script in the output of this run, or at `rpm -q` for a second version, and install it again"
            }
            Self::Pacman => "look at `pacman -Dk` and /var/log/pacman.log, and install it again",
            Self::Apk => "mend it with `apk fix`",
        }
    }

    /// True if the file that came to lie beside settings means that those changed by hand are no longer in use.
    pub(super) fn took_settings(self, aside: &str) -> bool {
        matches!(self, Self::Dnf | Self::Dnf5 | Self::Zypper) && aside.ends_with(".rpmsave")
    }

    fn look(self) -> String {
        match self {
            Self::Apt => apt::LOOK.to_owned(),
            Self::Dnf => dnf::look(),
            Self::Dnf5 => dnf5::look(),
            Self::Zypper => zypper::look(),
            Self::Pacman => pacman::look(),
            Self::Apk => apk::LOOK.to_owned(),
        }
    }

    /// What a script of it begins with, where it needs to know the run's place and who else works on the packages.
    fn begin(run: &str, busy: &str) -> String {
        format!("LC_ALL=C; export LC_ALL\nRUN={run}\n{PLACE}{WAIT}{busy}{NOTED}")
    }

    /// One transaction, where it has such a thing.
    ///
    /// # Errors
    /// When it cannot do this.
    pub(super) fn install(self, how: &How<'_>, wants: &[Want]) -> Result<String, String> {
        if how.conffiles == Some(Conffiles::New) && self != Self::Apt {
            return Err(format!(
                "`conffiles: new` cannot be had with {}, which leaves it to each package what becomes of settings that were changed by \
                 hand: write `keep` or `fail`",
                self.name()
            ));
        }
        Ok(match self {
            Self::Apt => apt::install(how, wants),
            Self::Dnf => Self::begin(how.run, &[RPM_BUSY, RPM_BROKE].concat()) + &dnf::install(how, wants),
            Self::Dnf5 => Self::begin(how.run, &[RPM_BUSY, RPM_BROKE].concat()) + &dnf5::install(how, wants),
            Self::Zypper => Self::begin(how.run, &[RPM_BUSY, RPM_BROKE].concat()) + &zypper::install(how, wants),
            Self::Pacman => Self::begin(how.run, pacman::BUSY) + &pacman::install(how, wants),
            Self::Apk => apk::install(how, wants),
        })
    }

    /// Sets and takes holds.
    ///
    /// # Errors
    /// When it has none that a command could set.
    pub(super) fn hold(self, hold: bool, names: &[String]) -> Result<String, String> {
        match self {
            Self::Apt => Ok(apt::hold(hold, names)),
            Self::Dnf => Ok(dnf::hold("dnf", hold, names)),
            Self::Dnf5 => Ok(dnf::hold("dnf5", hold, names)),
            Self::Zypper => Ok(zypper::hold(hold, names)),
            Self::Pacman => Err(
                "pacman has no command that holds a package: write it into IgnorePkg of /etc/pacman.conf, or out of it, \
                 by a step of your own"
                    .to_owned(),
            ),
            Self::Apk => Err(
                "apk holds a package by what /etc/apk/world says of its version: change that by a step of your own".to_owned(),
            ),
        }
    }

    /// Keeps these versions in the stash, from the sources or the cache; the last words say which could not be. Pairs of a full name
    /// and a version.
    pub(super) fn stash(self, run: &str, old: &[(String, String)]) -> String {
        let mut text = format!(
            "LC_ALL=C; export LC_ALL\nRUN={run}\n{PLACE}[ \"$stash\" ] || {{ echo 'the run has no place on the host to keep the former packages' >&2; exit 3; }}\n\
             mkdir -p \"$stash\" && cd \"$stash\" || exit\n"
        );
        text.push_str(&match self {
            Self::Apt => apt::stash(old),
            Self::Dnf => dnf::stash(old),
            Self::Dnf5 => dnf5::stash(old),
            Self::Zypper => zypper::stash(old),
            Self::Pacman => pacman::stash(old),
            Self::Apk => apk::stash(old),
        });
        text
    }
}

/// What cannot be kept is said last.
pub(super) fn not_kept(name: &str, version: &str) -> String {
    format!(
        "{{ echo {}' cannot be kept for the way back' >&2; exit 3; }}",
        quote(&format!("{name}={version}"))
    )
}

/// Without its architecture.
pub(super) fn bare(name: &str) -> &str {
    name.split_once(':').map_or(name, |(name, _)| name)
}
