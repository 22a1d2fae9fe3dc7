//! dnf 5's side, written after its manual and what that shows; no test here has seen it at work.
//!
//! Owns: these texts. Must not: read an answer.

use super::dnf::{Split, cached, from_caches, split};
use super::family::{How, RPM_BUSY, RPM_INVENTORY, Want, words};

/// `check-upgrade` ends with 100 where there are some, and with 0 where there are none. Its lines are `NAME.ARCH EVR REPOSITORY`; what
/// an update replaces is listed after `Obsoleting packages`, and is none.
const TELL: &str = r#"d5() { dnf5 -y "$@" </dev/null; }
o=$(mktemp) || exit
held=" $(sed -n 's/^ *name *= *"\(.*\)"/\1/p' /etc/dnf/versionlock.toml 2>/dev/null | sort -u | tr '\n' ' ')"
for n in $held; do echo "held $n"; done
listed() { awk '/^Obsoleting/ { exit } NF == 3 && $1 ~ /\./ && $2 ~ /-/ { n = split($1, x, "."); a = x[n]; sub(/\.[^.]*$/, "", $1); print $1 ":" a, $2 }'; }
if [ $what = updates ]; then
  [ -z "$refresh" ] || d5 makecache --refresh --setopt=skip_if_unavailable=0 >"$o" 2>&1 || { cat "$o" >&2; echo "no answer from a source: $(tail -n 1 "$o")" >&2; exit 100; }
  d5 check-upgrade >"$o" 2>"$o.err"; s=$?
  case $s in 0 | 100) ;; *) cat "$o.err" >&2; rm -f "$o" "$o.err"; exit 100 ;; esac
  listed <"$o" >"$o.up"
  if [ "$(d5 advisory list --all 2>/dev/null | head -n 1)" ]; then
    echo 'classes security bugfix enhancement'
    for c in enhancement security; do d5 check-upgrade --$c 2>/dev/null | listed | sed "s/^/class $c /"; done >"$o"
  else
    echo 'unclassed no source of the host has advisories (updateinfo), so nobody knows which update is of which class'; : >"$o"
  fi
  { rpm -qa --qf 'was %{NAME}:%{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' | sed 's/ 0:/ /'; cat "$o" "$o.up"; } | awk '
    $1 == "was" { was[$2] = $3; next } $1 == "class" { of[$3] = $2; next }
    { print "up", $1, ($1 in was ? was[$1] : "-"), $2, ($1 in of ? of[$1] : "bugfix") }'
  names="$names $held $(cut -d: -f1 "$o.up" | tr '\n' ' ')"; rm -f "$o.err" "$o.up"
fi
[ $what != all ] || names="$names $(rpm -qa --qf '%{NAME} ')"
bare=; for n in $names; do bare="$bare ${n%:*}"; done
if [ "$bare" ]; then
  d5 -q repoquery --available --disable-excludes=* --queryformat 'have %{name}:%{arch} %{evr}\n' $bare
  d5 -q repoquery --available --disable-excludes=* --latest-limit=1 --queryformat 'cand %{name}:%{arch} %{evr}\n' $bare
fi
rm -f "$o""#;

pub(super) fn look() -> String {
    format!(
        "{RPM_BUSY}[ $what != updates ] || idle $wait\n{RPM_INVENTORY}{}{TELL}",
        cached("/var/cache/libdnf5")
    )
}

/// One transaction; what is to go from beside it goes in a second one.
pub(super) fn install(how: &How<'_>, wants: &[Want]) -> String {
    let Split { put, fresh, gone } = split(wants);
    let older = match (how.older, how.may_remove) {
        (true, true) => " --allow-downgrade --allowerasing",
        (true, false) => " --allow-downgrade",
        _ => "",
    };
    let mut steps = Vec::new();
    if !put.is_empty() {
        steps.push(format!("noted rpm_broke dnf5 -y install{older} {}", words(&put)));
    }
    if !gone.is_empty() {
        steps.push(format!(
            "noted rpm_broke dnf5 -y remove --no-autoremove {}",
            words(&gone)
        ));
    }
    if how.exact && !fresh.is_empty() {
        steps.push(format!(
            "{{ dnf5 -q -y mark dependency {} >/dev/null 2>&1 || :; }}",
            words(&fresh)
        ));
    }
    let steps = if steps.is_empty() {
        ":".to_owned()
    } else {
        steps.join(" && ")
    };
    format!("idle {}\n{steps}", how.lock_wait.as_secs())
}

/// Keeps these versions in the folder that the script stands in.
pub(super) fn stash(old: &[(String, String)]) -> String {
    let from = from_caches(old, "/var/cache/libdnf5");
    format!(
        "{from}for i; do n=${{i%%=*}}; dnf5 -q -y download \"${{n%:*}}-${{i#*=}}.${{n##*:}}\" >/dev/null 2>&1; done\n\
         {from}[ $# -eq 0 ] || {{ echo \"$1 cannot be kept for the way back\" >&2; exit 3; }}\n"
    )
}
