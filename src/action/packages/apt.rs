//! apt's side: the texts that ask it, and that make it work.
//!
//! Owns: these texts. Must not: read an answer.

use super::family::{How, Want, bare, not_kept, words};
use crate::runbook::builtin::Conffiles;
use crate::runbook::expr::quote::sh_word as quote;

/// Waits for the lock and asks every source where that is wanted, then tells what is installed, held, kept, and can be had. That a
/// source does not answer is no success, whatever old `apt-get update` says.
pub(super) const LOOK: &str = r#"bad() { echo "$u" >&2; echo "$u" | sed -n 's/^[EW]: Failed to fetch/no answer from/p' | head -n 1 >&2; exit 100; }
if [ $what = updates ]; then
  c=$(apt-get -q -o DPkg::Lock::Timeout=$wait check 2>&1) || case $c in *'Could not get lock'*)
    echo "$c" | tr '\r' '\n' | sed -n 's/.*\(Could not get lock [^ ]*\)\( It is held by process [0-9]* ([^)]*)\)*.*/\1\2/p' | tail -n 1 >&2; exit 100 ;;
  esac
fi
echo "arch $(dpkg --print-architecture)"
dpkg-query -W -f 'inst ${Package}:${Architecture} ${Version} ${db:Status-Abbrev}\n' || exit
apt-mark showhold | sed 's/^/held /'
find /etc -xdev -name '*.dpkg-dist' 2>/dev/null | sed 's/^/dist /'
[ -d "$stash" ] && for f in "$stash"/*.deb; do [ -e "$f" ] && dpkg-deb -W --showformat='stash ${Package}:${Architecture} ${Version} ' "$f" && echo "$f"; done
if [ "$refresh" ]; then
  t=$wait
  # The last words are the ones that are shown: which source it is.
  until u=$(apt-get -q update --error-on=any 2>&1); do
    case $u in
      *'Could not get lock'*) [ $t -gt 0 ] || bad; t=$((t - 2)); sleep 2 ;;
      *'option error-on is not understood'*) u=$(apt-get -q update 2>&1) && case $u in *'Failed to fetch'* | *'Some index files failed'*) bad ;; esac; break ;;
      *) bad ;;
    esac
  done
fi
case $what in
  updates)
    echo 'classes security bugfix'
    sim=$(apt-get -s -q -o Debug::NoLocking=1 upgrade --with-new-pkgs) || exit
    echo "$sim" | sed -n 's/^Inst /sim Inst /p'
    names=$(echo "$sim" | sed -n 's/^Inst \([^ ]*\) .*/\1/p' | tr '\n' ' ')$(apt-mark showhold | tr '\n' ' ') ;;
  all) names="$(dpkg-query -W -f '${Package} ')$names" ;;
esac
if [ "$names" ]; then
  apt-cache madison $names 2>/dev/null | while IFS='| ' read -r n v _; do echo "have $n $v"; done
  apt-cache policy $names | while read -r a b _; do case $a in Candidate:) echo "cand $n $b" ;; *:) [ "$b" ] || n=${a%:} ;; esac; done
fi
for f in /var/cache/apt/archives/*.deb; do
  [ -e "$f" ] && f=${f##*/} && echo "deb ${f%%_*} $(f=${f#*_}; echo "${f%_*}" | sed 's/%3a/:/g')"
done"#;

/// What is there is laid into apt's cache: apt would look for a version that its lists still know where they say that it lies, and
/// not where it was told.
fn into_cache(wants: &[Want]) -> String {
    let paths: Vec<&str> = wants
        .iter()
        .filter_map(|want| match want {
            Want::Put { path, .. } => path.as_deref(),
            Want::Gone { .. } => None,
        })
        .collect();
    match paths.is_empty() {
        true => String::new(),
        false => format!("cp -- {} /var/cache/apt/archives/ && ", words(&paths)),
    }
}

/// One transaction. Without a package it only configures what is not.
pub(super) fn install(how: &How<'_>, wants: &[Want]) -> String {
    if wants.is_empty() {
        return "DEBIAN_FRONTEND=noninteractive dpkg --configure -a".to_owned();
    }
    let settings = match how.conffiles {
        // What was changed stays, and the look afterwards finds what came beside it.
        None | Some(Conffiles::Keep | Conffiles::Fail) => "--force-confold",
        Some(Conffiles::New) => "--force-confnew",
    };
    let older = if how.older { " --allow-downgrades" } else { "" };
    let remove = if how.may_remove { "" } else { " --no-remove" };
    let wanted: Vec<String> = wants.iter().map(Want::to_string).collect();
    format!(
        "{}LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -y -q -o Dpkg::Use-Pty=0 \
         -o Dpkg::Options::=--force-confdef -o Dpkg::Options::={settings} -o DPkg::Lock::Timeout={}{older}{remove} \
         install -- {}",
        into_cache(wants),
        how.lock_wait.as_secs(),
        words(&wanted)
    )
}

/// Sets and takes holds.
pub(super) fn hold(hold: bool, names: &[String]) -> String {
    format!(
        "apt-mark {} -- {} >/dev/null",
        if hold { "hold" } else { "unhold" },
        words(names)
    )
}

/// Keeps these versions in the folder that the script stands in.
pub(super) fn stash(old: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, version) in old {
        let file = quote(&format!("{}_{}_", bare(name), version.replace(':', "%3a")));
        let id = quote(&format!("{name}={version}"));
        text.push_str(&format!(
            "set -- {file}*.deb; [ -e \"$1\" ] || {{ set -- /var/cache/apt/archives/{file}*.deb; [ -e \"$1\" ] && cp \"$1\" .; }} || \
             apt-get -q -o APT::Sandbox::User=root download {id} >/dev/null || {}\n",
            not_kept(name, version)
        ));
    }
    text
}
