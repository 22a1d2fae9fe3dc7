//! apk's side, written after its manual and what that shows; no test here has seen it at work.
//!
//! Owns: these texts. Must not: read an answer.

use super::family::{How, Want, words};

/// `apk upgrade -s` says `(1/2) Upgrading musl (1.2.4-r1 -> 1.2.4-r2)`, `(2/2) Installing zlib (1.3-r0)`, `Purging`; `apk list` says
/// `NAME-VERSION ARCH {ORIGIN} (LICENSE) [STATE]`. An update of the lists that leaves out a source ends with 0 in some releases.
pub(super) const LOOK: &str = r#"echo "arch $(apk --print-arch)"
parts() { sed 's/^\([^ ]*\)-\([^- ]*-r[0-9]*\) .*/\1 \2/'; }
i=$(apk list -I 2>/dev/null) && [ "$i" ] || { echo 'apk says nothing of its packages' >&2; exit 3; }
echo "$i" | parts | sed 's/^/inst /; s/$/ ii/'
[ -d "$stash" ] && for f in "$stash"/*.apk; do [ -e "$f" ] && i=${f##*/} && i=${i%.apk} && r=${i##*-} && i=${i%-*} && echo "stash ${i%-*} ${i##*-}-$r $f"; done
held=$(sed -n 's/^\([A-Za-z0-9][^=<>~@]*\)[=<>~].*/\1/p' /etc/apk/world)
for n in $held; do echo "held $n"; done
find /etc -xdev -name '*.apk-new' 2>/dev/null | sed 's/^/dist /'
if [ "$refresh" ]; then
  u=$(apk --wait $wait update 2>&1) && case $u in *WARNING:* | *ERROR:* | *[1-9]' unavailable'*) false ;; esac || {
    echo "$u" >&2; echo "no answer from a source: $(echo "$u" | grep -E 'WARNING|ERROR|unavailable' | head -n 1)" >&2; exit 100; }
fi
if [ $what = updates ]; then
  echo 'unclassed the sources of apk say of no update of which class it is'
  u=$(apk --wait $wait upgrade -s 2>&1) || { echo "$u" >&2; exit 100; }
  echo "$u" | sed -n 's/^([0-9/]*) Upgrading \([^ ]*\) (\([^ ]*\) -> \([^ )]*\)).*/up \1 \2 \3 bugfix/p; s/^([0-9/]*) Installing \([^ ]*\) (\([^ )]*\)).*/up \1 - \2 bugfix/p; s/^([0-9/]*) Purging \([^ ]*\) (\([^ )]*\)).*/gone \1 \2/p'
fi
apk list -a 2>/dev/null | parts | while read -r n v; do echo "have $n $v"; done
apk list -u 2>/dev/null | parts | sed 's/^/cand /'
for n in $names; do apk list -a "$n" 2>/dev/null | parts | tail -n 1 | sed 's/^/cand /'; done"#;

/// One transaction. Versions that are named are written into /etc/apk/world, and that is what holds a package: so that file becomes
/// again what it was, but for what comes new or goes.
pub(super) fn install(how: &How<'_>, wants: &[Want]) -> String {
    let (mut put, mut gone) = (Vec::new(), Vec::new());
    let mut paths = false;
    for want in wants {
        match want {
            Want::Put { path: Some(path), .. } => {
                paths = true;
                put.push(path.clone());
            }
            Want::Put { name, version, .. } => put.push(format!("{name}={version}")),
            Want::Gone { name, .. } => gone.push(format!("!{name}")),
        }
    }
    let fresh: Vec<&str> = wants
        .iter()
        .filter_map(|want| match want {
            Want::Put { name, fresh: true, .. } if !how.exact => Some(name.as_str()),
            _ => None,
        })
        .collect();
    put.extend(gone.iter().cloned());
    if put.is_empty() {
        return ":".to_owned();
    }
    let untrusted = if paths { " --allow-untrusted" } else { "" };
    let left: Vec<&str> = gone.iter().map(|name| name.trim_start_matches('!')).collect();
    format!(
        "w=$(mktemp) && cp -p /etc/apk/world \"$w\" || exit\napk --wait {}{untrusted} add -- {}; s=$?\n\
         {{ cat \"$w\"; for n in {}; do echo \"$n\"; done; }} | sort -u | while read -r l; do\n  \
         n=${{l%%[=<>~@]*}}; for g in {}; do [ \"$n\" != \"$g\" ] || continue 2; done; echo \"$l\"\ndone >\"$w.new\" && cat \"$w.new\" >/etc/apk/world\n\
         rm -f \"$w\" \"$w.new\"; (exit $s)",
        how.lock_wait.as_secs(),
        words(&put),
        words(&fresh),
        words(&left)
    )
}

/// Keeps these versions in the folder that the script stands in.
pub(super) fn stash(old: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, version) in old {
        let id = format!("{name}={version}");
        text.push_str(&format!(
            "[ -e {} ] || apk fetch -q {} || {}\n",
            words(&[format!("{name}-{version}.apk")]),
            words(&[&id]),
            super::family::not_kept(name, version)
        ));
    }
    text
}
