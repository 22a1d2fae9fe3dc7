//! apt's side: the texts that ask it, and that make it work.
//!
//! Owns: these texts. Must not: read an answer.

use std::time::Duration;

use crate::runbook::builtin::Conffiles;
use crate::runbook::expr::quote::sh_word as quote;

/// Everything that is installed and held. A host of another family is told at once.
fn inventory(label: &str) -> String {
    format!(
        r#": {}
LC_ALL=C; export LC_ALL
command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || {{
  for m in dnf yum zypper pacman apk; do command -v $m >/dev/null && {{ echo "its packages are those of $m: this build knows only apt" >&2; exit 3; }}; done
  echo 'it has no package manager that is known here' >&2; exit 3
}}
echo "arch $(dpkg --print-architecture)"
dpkg-query -W -f 'inst ${{Package}}:${{Architecture}} ${{Version}} ${{db:Status-Abbrev}}\n' || exit
apt-mark showhold | sed 's/^/held /'
find /etc -xdev -name '*.dpkg-dist' 2>/dev/null | sed 's/^/dist /'
stash={STASH}
"#,
        quote(&format!("pitstop looks at {label}")),
    )
}

/// The run's own directory on the host holds what it keeps for the way back: it goes when the run leaves the host, and not before.
const STASH: &str = r#"; for d in "${HOME:-/}/.pitstop/$RUN" "/var/tmp/.pitstop-$(id -u)/$RUN"; do [ -d "$d" ] && [ -O "$d" ] && { stash=$d/stash; break; }; done
[ -d "$stash" ] && for f in "$stash"/*.deb; do [ -e "$f" ] && dpkg-deb -W --showformat='stash ${Package}:${Architecture} ${Version} ' "$f" && echo "$f"; done"#;

/// Which versions of these can be had.
const VERSIONS: &str = r#"
if [ "$names" ]; then
  apt-cache madison $names 2>/dev/null | while IFS='| ' read -r n v _; do echo "have $n $v"; done
  apt-cache policy $names | while read -r a b _; do case $a in Candidate:) echo "cand $n $b" ;; *:) [ "$b" ] || n=${a%:} ;; esac; done
fi
for f in /var/cache/apt/archives/*.deb; do
  [ -e "$f" ] && f=${f##*/} && echo "deb ${f%%_*} $(f=${f#*_}; echo "${f%_*}" | sed 's/%3a/:/g')"
done
:"#;

fn words(names: &[String]) -> String {
    names.iter().map(|name| quote(name)).collect::<Vec<_>>().join(" ")
}

/// The inventory, and what can be had of these packages.
pub fn look(run: &str, names: &[String]) -> String {
    let label = format!("packages {}", names.join(" "));
    format!(
        "RUN={run}\n{}names={}{VERSIONS}",
        inventory(&label),
        quote(&names.join(" "))
    )
}

/// The inventory, and what can be had of everything that is in it or in these names.
pub fn look_at_all(run: &str, names: &[&str]) -> String {
    format!(
        "RUN={run}\n{}names=\"$(dpkg-query -W -f '${{Package}} ')\"{}{VERSIONS}",
        inventory("all packages"),
        quote(&names.join(" "))
    )
}

/// Lays kept packages into apt's cache: apt would look for a version that its lists still know where they say that it lies, and not
/// where it was told.
pub fn into_cache(paths: &[String]) -> String {
    format!("cp -- {} /var/cache/apt/archives/", words(paths))
}

/// The inventory, and what an upgrade would do, when nobody else works on the packages any more: what is half done then is not broken.
/// `refresh`: after the sources were asked anew, each of which must answer.
pub fn look_for_updates(run: &str, lock_wait: Duration, refresh: bool) -> String {
    let refresh = if refresh { update(lock_wait) } else { String::new() };
    let alone = format!(
        r#"c=$(LC_ALL=C apt-get -q -o DPkg::Lock::Timeout={} check 2>&1) || case $c in *'Could not get lock'*)
  echo "$c" | tr '\r' '\n' | sed -n 's/.*\(Could not get lock [^ ]*\)\( It is held by process [0-9]* ([^)]*)\)*.*/\1\2/p' | tail -n 1 >&2; exit 100 ;;
esac"#,
        lock_wait.as_secs()
    );
    format!(
        "RUN={run}\n{alone}\n{}{refresh}\nsim=$(apt-get -s -q -o Debug::NoLocking=1 upgrade --with-new-pkgs) || exit\n\
         echo \"$sim\" | sed -n 's/^Inst /sim Inst /p'\n\
         names=$(echo \"$sim\" | sed -n 's/^Inst \\([^ ]*\\) .*/\\1/p' | tr '\\n' ' ')$(apt-mark showhold | tr '\\n' ' '){VERSIONS}",
        inventory("updates")
    )
}

/// Asks every source. That one of them does not answer is no success, whatever old `apt-get update` says.
fn update(wait: Duration) -> String {
    format!(
        r#"
t={0}
# The last words are the ones that are shown: which source it is.
bad() {{ echo "$u" >&2; echo "$u" | sed -n 's/^[EW]: Failed to fetch/no answer from/p' | head -n 1 >&2; exit 100; }}
until u=$(apt-get -q update --error-on=any 2>&1); do
  case $u in
    *'Could not get lock'*) [ $t -gt 0 ] || bad; t=$((t - 2)); sleep 2 ;;
    *'option error-on is not understood'*) u=$(apt-get -q update 2>&1) && case $u in *'Failed to fetch'* | *'Some index files failed'*) bad ;; esac; break ;;
    *) bad ;;
  esac
done
"#,
        wait.as_secs()
    )
}

/// How apt is to work.
pub struct How {
    /// What happens to settings that were changed by hand.
    pub conffiles: Option<Conffiles>,
    /// How long to wait for the lock.
    pub lock_wait: Duration,
    /// It may take versions that are older.
    pub older: bool,
    /// It may remove what was not named.
    pub may_remove: bool,
}

/// One transaction: `name=version`, `name`, `name-` to remove, or the path of a file.
pub fn install(how: &How, words: &[String]) -> String {
    let settings = match how.conffiles {
        // What was changed stays, and the look afterwards finds what came beside it.
        None | Some(Conffiles::Keep | Conffiles::Fail) => "--force-confold",
        Some(Conffiles::New) => "--force-confnew",
    };
    let older = if how.older { " --allow-downgrades" } else { "" };
    let remove = if how.may_remove { "" } else { " --no-remove" };
    let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
    format!(
        "LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y -q -o Dpkg::Use-Pty=0 \
         -o Dpkg::Options::=--force-confdef -o Dpkg::Options::={settings} -o DPkg::Lock::Timeout={}{older}{remove} \
         install -- {}",
        how.lock_wait.as_secs(),
        words.join(" ")
    )
}

/// Sets and takes holds.
pub fn hold(hold: bool, names: &[String]) -> String {
    format!(
        "apt-mark {} -- {} >/dev/null",
        if hold { "hold" } else { "unhold" },
        words(names)
    )
}

/// Keeps these versions in the stash, from the sources or the cache; the last words say which could not be.
pub fn stash(run: &str, old: &[(String, String)]) -> String {
    let mut text = format!(
        "RUN={run}\nstash={STASH}\n[ \"$stash\" ] || {{ echo 'the run has no place on the host to keep the former packages' >&2; exit 3; }}\n\
         mkdir -p \"$stash\" && cd \"$stash\" || exit\n"
    );
    for (name, version) in old {
        let file = quote(&format!("{name}_{}_", version.replace(':', "%3a")));
        let id = quote(&format!("{name}={version}"));
        text.push_str(&format!(
            "set -- {file}*.deb; [ -e \"$1\" ] || {{ set -- /var/cache/apt/archives/{file}*.deb; [ -e \"$1\" ] && cp \"$1\" .; }} || \
             apt-get -q -o APT::Sandbox::User=root download {id} >/dev/null || {{ echo {id}' cannot be kept for the way back' >&2; exit 3; }}\n"
        ));
    }
    text
}
