//! pacman's side. Its lists of what the sources have are never newer than its packages after us: they are asked in a copy.
//!
//! Owns: these texts. Must not: read an answer.

use super::family::{How, Want, words};

/// A lock file is somebody's who has it open, or a leaving of one who died, which nobody but a person may remove.
pub(super) const BUSY: &str = r#"db=$(pacman-conf DBPath) && cache=$(pacman-conf CacheDir | head -n 1) || exit
db=${db%/} cache=${cache%/}
busy() {
  [ -e "$db/db.lck" ] || return 0
  for f in /proc/[0-9]*/fd/*; do
    [ "$(readlink "$f")" != "$db/db.lck" ] || { p=${f#/proc/}; echo "the packages are locked: $db/db.lck is held by $(who "${p%%/*}")"; return; }
  done 2>/dev/null
  [ ! -e "$db/db.lck" ] || { left=0; echo "the packages are locked: $db/db.lck is there and no process holds it, so pacman died: look at /var/log/pacman.log, mend, and remove it"; }
}
# The name and the version of a package, from the name of its file.
file_of() { i=${1##*/}; i=${i%.pkg.tar*}; i=${i%-*}; r=${i##*-}; i=${i%-*}; echo "${i%-*} ${i##*-}-$r"; }
packages_in() { for f in "$1"/*.pkg.tar*; do case $f in *.sig | *'*'*) ;; *) echo "$f" ;; esac; done; }
# Sets `copy`: what the sources have now.
ask_sources() {
  copy=$(mktemp -d) || exit; trap 'rm -rf "$copy"' EXIT
  ln -s "$db/local" "$copy/local"
  u=$(pacman -Sy --noconfirm --dbpath "$copy" --logfile /dev/null 2>&1 </dev/null) && case $u in *error:*) false ;; esac || {
    echo "$u" >&2; echo "$u" | sed -n "s/^error: failed retrieving file '\(.*\)\.db' from \([^ ]*\) : \(.*\)/no answer from \1 at \2: \3/p" | head -n 1 >&2; exit 100; }
}
"#;

const TELL: &str = r#"[ $what != updates ] || idle $wait
echo "arch $(uname -m)"
torn=" $(for d in "$db"/local/*/; do [ ! -d "$d" ] || [ -s "$d/desc" ] && [ -e "$d/files" ] || { i=${d%/}; i=${i##*/}; i=${i%-*}; echo "${i%-*}"; }; done | tr '\n' ' ') "
{ pacman -Q 2>/dev/null; for n in $torn; do [ -s "$db/local/$n-"*/desc ] 2>/dev/null || echo "$n ?"; done; } |
  while read -r n v; do case $torn in *" $n "*) echo "inst $n $v iH" ;; *) echo "inst $n $v ii" ;; esac; done
find /etc -xdev -name '*.pacnew' 2>/dev/null | sed 's/^/dist /'
[ -d "$stash" ] && packages_in "$stash" | while read -r f; do echo "stash $(file_of "$f") $f"; done
packages_in "$cache" | while read -r f; do i=$(file_of "$f"); echo "deb $i"; echo "have $i"; done
[ "$run_dir" ] && [ -e "$run_dir/broke" ] && sed 's/^/broke /' "$run_dir/broke"
groups=$(pacman-conf IgnoreGroup)
held=" $( { pacman-conf IgnorePkg; [ -z "$groups" ] || pacman -Qgq $groups; } | while read -r g; do pacman -Qq | while read -r n; do case $n in $g) echo "$n" ;; esac; done; done | sort -u | tr '\n' ' ')"
for n in $held; do echo "held $n"; done
copy=$db
[ $what != updates ] || ask_sources
pacman -Sl --dbpath "$copy" 2>/dev/null | awk '!seen[$2]++ { print "cand", $2, $3 } { print "have", $2, $3 }'
if [ $what = updates ]; then
  echo 'unclassed the sources of pacman say of no update of which class it is'
  u=$(pacman -Su --print --print-format 'up %n %v' --noconfirm --dbpath "$copy" --logfile /dev/null 2>&1 </dev/null) || { echo "$u" >&2; echo "the updates cannot be worked out: $(echo "$u" | sed -n 's/^error: //p' | tail -n 1)" >&2; exit 100; }
  { pacman -Q | sed 's/^/was /'; echo "$u"; } | awk '$1 == "was" { was[$2] = $3 } $1 == "up" { print "up", $2, ($2 in was ? was[$2] : "-"), $3, "bugfix" }'
fi"#;

pub(super) fn look() -> String {
    [BUSY, TELL].concat()
}

/// What is put is taken from its files: those that were kept, those in the cache, and what is not there is downloaded first. Then one
/// transaction; what goes, goes in a second one, because pacman has no command for both.
pub(super) fn install(how: &How<'_>, wants: &[Want]) -> String {
    let (mut text, mut gone, mut fresh) = (String::new(), Vec::new(), Vec::new());
    for want in wants {
        match want {
            Want::Put { path: Some(path), .. } => text.push_str(&format!("set -- \"$@\" {}\n", words(&[path]))),
            Want::Put {
                name,
                version,
                fresh: new,
                ..
            } => {
                if *new {
                    fresh.push(name.as_str());
                }
                text.push_str(&format!("file {}\n", words(&[name, version])));
            }
            Want::Gone { name, .. } => gone.push(name.as_str()),
        }
    }
    let mut script = format!(
        "idle {wait}\npac_broke() {{ awk '/^(:: )?Running .*hooks/ {{ n = \"a hook of pacman\" }} /(installing|upgrading|downgrading|reinstalling|removing) [^ ]*\\.\\.\\./ {{ n = $NF; sub(/\\.\\.\\.$/, \"\", n) }} /^error: command failed to execute/ {{ print n }}'; }}\n",
        wait = how.lock_wait.as_secs()
    );
    let mut steps = Vec::new();
    if !text.is_empty() {
        script.push_str(
            "# Sets `file` to that of a package in this version, or to nothing.\n\
             in_cache() { file=; for f in \"$cache/$1-$2-\"*.pkg.tar*; do case $f in *.sig) ;; *) [ ! -e \"$f\" ] || file=$f ;; esac; done; [ \"$file\" ]; }\n\
             file() { in_cache \"$1\" \"$2\" || load=\"$load $1\"; all=\"$all $1=$2\"; }\n\
             load= all=; set --\n",
        );
        script.push_str(&text);
        let source = if how.exact { "ask_sources" } else { "copy=$db" };
        script.push_str(&format!(
            "if [ \"$load\" ]; then {source}; pacman -Sw --noconfirm --dbpath \"$copy\" --logfile /dev/null $load </dev/null || exit; fi\n\
             for i in $all; do in_cache \"${{i%%=*}}\" \"${{i#*=}}\" || {{ echo \"$i is in no source any more\" >&2; exit 1; }}; set -- \"$@\" \"$file\"; done\n"
        ));
        steps.push("noted pac_broke pacman -U --noconfirm -- \"$@\"".to_owned());
    }
    if !gone.is_empty() {
        steps.push(format!("noted pac_broke pacman -R --noconfirm -- {}", words(&gone)));
    }
    if how.exact && !fresh.is_empty() {
        // They came for the sake of others, and may go with them.
        steps.push(format!("pacman -D --asdeps -- {} >/dev/null", words(&fresh)));
    }
    script.push_str(if steps.is_empty() { ":" } else { "" });
    script + &steps.join(" && ")
}

/// Keeps these versions in the folder that the script stands in: a source of pacman has only the newest, so they come from its cache.
pub(super) fn stash(old: &[(String, String)]) -> String {
    let mut text = "cache=$(pacman-conf CacheDir | head -n 1); cache=${cache%/}\n".to_owned();
    for (name, version) in old {
        text.push_str(&format!(
            "ok=; for f in \"$cache/\"{file}-*.pkg.tar*; do [ -e \"$f\" ] && {{ [ -e \"${{f##*/}}\" ] || cp \"$f\" .; }} && ok=1; done; [ \"$ok\" ] || {}\n",
            super::family::not_kept(name, version),
            file = words(&[format!("{name}-{version}")])
        ));
    }
    text
}
