//! zypper's side: asked in XML where it speaks that. Its end is an error below 100, and news from there on.
//!
//! Owns: these texts. Must not: read an answer.

use super::dnf::{cached, from_caches};
use super::family::{How, RPM_BUSY, RPM_INVENTORY, Want, words};

/// `z COMMAND...` asks without asking back; `at NAME` in awk is an attribute of a line of XML.
const ASK: &str = r#"z() { ZYPP_LOCK_TIMEOUT=$wait zypper -n "$@" </dev/null; }
xml() { tr '<' '\n' | awk 'function at(n) { return match($0, " " n "=\"[^\"]*\"") ? substr($0, RSTART + length(n) + 3, RLENGTH - length(n) - 4) : "" } '"$1"; }
bad() { grep -v '^ *$' "$o" | grep -v '^<[^m]' | sed 's/<[^>]*>//g' >&2; [ -z "$1" ] || echo "$1" >&2; rm -f "$o"; exit 100; }
o=$(mktemp) || exit
"#;

/// Holds, and the classes of updates by what the patches of the sources say.
const UPDATES: &str = r#"if [ "$refresh" ]; then
  z ref >"$o" 2>&1 || bad "$(sed -n "s/^Skipping repository '\(.*\)' because.*/no answer from \1/p" "$o" | head -n 1): $(sed -n 's/^Error message: //p' "$o" | head -n 1)"
fi
held=$(z -x --no-refresh ll | xml '/^name>/ { sub(/^name>/, ""); print }' | while read -r l; do rpm -qa --qf '%{NAME} ' "$l"; done)
for n in $held; do echo "held $n"; done
if [ $what = updates ]; then
  z --no-refresh patches >"$o" 2>&1 || bad
  if grep -q '|.*|' "$o"; then echo 'classes security bugfix enhancement'; else echo 'unclassed no source of the host has patches, so nobody knows which update is of which class'; fi
  p=$(awk -F' *[|] *' '$6 == "needed" || $6 == "optional" { print $2 }' "$o" | sort -u)
  z -x --no-refresh up --no-recommends --dry-run >"$o" 2>&1 || bad "the updates cannot be worked out: $(sed -n 's/.*<message type="error">\([^<]*\).*/\1/p' "$o" | head -n 1)"
  { [ -z "$p" ] || z --no-refresh info -t patch $p | awk '
      /^Category *:/ { c = $3 } /^[A-Z][a-z ]*:/ { on = 0 } /^Conflicts *:/ { on = 1; sub(/^Conflicts *: *(\[[0-9]*\])?/, "") }
      on && $2 == "<" { print "class", $1, c, $3 }'
    xml '{ k = $1 } k ~ /^to-/ { part = k; sub(/>.*/, "", part) }
      k == "solvable" && at("type") == "package" {
        if (part == "to-remove") print "gone", at("name") ":" at("arch"), at("edition")
        else print "up", at("name") ":" at("arch"), (at("edition-old") == "" ? "-" : at("edition-old")), at("edition") }' <"$o"
  } | awk '
    $1 == "class" { sub(/^srcpackage:/, "", $2); n = split($2, x, "."); b = $2; if (x[n] ~ /^(noarch|x86_64|i[56]86|aarch64|ppc64le|s390x)$/) sub(/\.[^.]*$/, "", b)
      r = $3 == "security" ? 3 : $3 == "optional" || $3 == "feature" || $3 == "enhancement" ? 1 : 2; if (r > rank[b]) rank[b] = r; next }
    $1 == "up" { split($2, x, ":"); r = rank[x[1]]; print $0, (r == 3 ? "security" : r == 1 ? "enhancement" : "bugfix"); next } { print }' >"$o.up"
  cat "$o.up"; names="$names $held $(awk '{ split($2, x, ":"); print x[1] }' "$o.up" | tr '\n' ' ')"; rm -f "$o.up"
fi
[ $what != all ] || names="$names $(rpm -qa --qf '%{NAME} ')"
bare=; for n in $names; do bare="$bare ${n%:*}"; done
if [ "$bare" ]; then
  z -x --no-refresh se -s -t package | xml '$1 == "solvable" && at("repository") != "(System Packages)" && at("repository") != "" { print at("name"), at("arch"), at("edition") }' |
    awk -v of=" $bare " 'index(of, " " $1 " ") { print "have", $1 ":" $2, $3 }'
  z --no-refresh info -t package $bare 2>/dev/null | awk '/^Repository *:/ { r = $3 } /^Name *:/ { n = $3 } /^Version *:/ { v = $3 } /^Arch *:/ && r != "@System" { print "cand", n ":" $3, v }'
fi
rm -f "$o""#;

pub(super) fn look() -> String {
    format!(
        "{RPM_BUSY}[ $what != updates ] || idle $wait\n{RPM_INVENTORY}{}{ASK}{UPDATES}",
        cached("/var/cache/zypp/packages")
    )
}

/// As zypper takes a package.
fn spec(full: &str, version: &str) -> String {
    format!("{}={version}", full.replace(':', "."))
}

/// One transaction, also of what goes. Its news are no errors: that a restart is due, or that it was itself updated.
pub(super) fn install(how: &How<'_>, wants: &[Want]) -> String {
    let mut list = Vec::new();
    let (mut puts, mut paths) = (false, false);
    for want in wants {
        list.push(match want {
            Want::Put { path: Some(path), .. } => {
                (puts, paths) = (true, true);
                path.clone()
            }
            Want::Put { full, version, .. } => {
                puts = true;
                spec(full, version)
            }
            Want::Gone { full, version, .. } => spec(full, version),
        });
    }
    if list.is_empty() {
        return ":".to_owned();
    }
    // A removal beside others is marked; alone it is another command.
    let marked: Vec<String> = wants
        .iter()
        .zip(&list)
        .map(|(want, word)| match want {
            Want::Gone { .. } if puts => format!("-{word}"),
            _ => word.clone(),
        })
        .collect();
    let older = if how.older { " --oldpackage" } else { "" };
    // A copy that this run kept came through zypper, which checked it then.
    let unsigned = if paths { " --allow-unsigned-rpm" } else { "" };
    let others = if how.exact { " --no-recommends" } else { "" };
    let force = if how.may_remove { "" } else { " --no-force-resolution" };
    let command = match puts {
        true => format!("in -l{older}{unsigned}{others}{force}"),
        false => "rm".to_owned(),
    };
    format!(
        "t={}\nidle $t\nzypp() {{ ZYPP_LOCK_TIMEOUT=$t zypper -n --no-refresh \"$@\"; }}\nnoted rpm_broke zypp {command} -- {}; s=$?\n\
         case $s in 100 | 101 | 102 | 103) s=0 ;; esac\n(exit $s)",
        how.lock_wait.as_secs(),
        words(&marked)
    )
}

/// Sets and takes holds.
pub(super) fn hold(hold: bool, names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(|name| super::family::bare(name)).collect();
    format!(
        "ZYPP_LOCK_TIMEOUT=60 zypper -n {} -t package -- {} >/dev/null",
        if hold { "al" } else { "rl" },
        words(&names)
    )
}

/// Keeps these versions in the folder that the script stands in.
pub(super) fn stash(old: &[(String, String)]) -> String {
    let cache = "/var/cache/zypp/packages";
    let from = from_caches(old, cache);
    format!(
        "{from}for i; do n=${{i%%=*}}; v=${{i#*=}}\n  case $n in *:*) n=${{n%:*}}.${{n##*:}} ;; esac\n  \
         zypper -n --no-refresh download \"$n=$v\" >/dev/null 2>&1\ndone\n{from}[ $# -eq 0 ] || {{ echo \"$1 cannot be kept for the way back\" >&2; exit 3; }}\n"
    )
}
