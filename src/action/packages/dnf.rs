//! dnf 4's side. It is asked through its own Python interface, in one process: each start of its command line costs a second, and
//! what that prints is for people. What it does, it does by its command line, with all that this checks of signatures.
//!
//! Owns: these texts. Must not: read an answer.

use super::family::{How, RPM_BUSY, RPM_INVENTORY, Want, words};

/// `py MODE ARGS...`, with the Python that dnf itself runs on.
const PYTHON: &str = r#"py() {
"$(sed -n '1s/^#! *\([^ ]*\).*/\1/p' "$(command -v dnf)")" - "$@" <<'END'
import configparser, fnmatch, os, shutil, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # plugins that talk do not talk into the answer
import dnf, dnf.exceptions, dnf.rpm, dnf.subject, dnf.transaction, hawkey

def fail(why):
    print(why, file=sys.stderr)
    sys.exit(100)

def say(*words):
    print(*words, file=out)

mode, fresh, names = sys.argv[1], sys.argv[2] == "1", sys.argv[3:]
base = dnf.Base()
conf = base.conf
conf.read()
conf.exit_on_lock = True
release = dnf.rpm.detect_releasever(conf.installroot)
if release:
    conf.substitutions["releasever"] = release
conf.substitutions.update_from_etc(conf.installroot)
base.init_plugins()
base.pre_configure_plugins()
base.read_all_repos()
base.configure_plugins()
for repo in base.repos.iter_enabled():
    if fresh:  # each must answer, whatever its settings forgive
        repo._repo.expire()
        repo.skip_if_unavailable = False
    else:
        repo.metadata_expire = -1
try:
    base.fill_sack()
except dnf.exceptions.LockError as e:
    fail("the packages are locked: %s" % e)
except dnf.exceptions.Error as e:
    fail("no answer from a source: %s" % " ".join(str(e).split()))
every = base.sack.query(flags=hawkey.IGNORE_EXCLUDES)
installed = every.installed()  # also what is excluded
there = {}
for p in installed:
    there.setdefault((p.name, p.arch), set()).add(p.evr)

def full(p):
    return "%s:%s" % (p.name, p.arch)

def kept():
    arch = {conf.substitutions["arch"], "noarch"}
    for id in names:
        name, _, evr = id.partition("=")
        name, _, of = name.partition(":")
        found = [p for p in every.available().filter(name=name) if p.evr == evr and p.arch in ({of} if of else arch)]
        if not found:
            fail(id + " cannot be kept for the way back")
        try:
            base.download_packages(found[:1])
        except dnf.exceptions.Error as e:
            fail("%s cannot be kept for the way back: %s" % (id, " ".join(str(e).split())))
        path = found[0].localPkg()
        if os.path.dirname(os.path.abspath(path)) != os.getcwd():
            shutil.copy(path, ".")

plugin = any(getattr(p, "name", "") == "versionlock" for p in base._plugins.plugins)

def held():
    settings = configparser.ConfigParser()
    settings.read("/etc/dnf/plugins/versionlock.conf")
    path = settings.get("main", "locklist", fallback="/etc/dnf/plugins/versionlock.list")
    found = set()
    if plugin and os.path.exists(path):
        for line in open(path):
            line = line.split('#')[0].strip()
            if not line or line.startswith("!"):
                continue
            for it in dnf.subject.Subject(line).get_nevra_possibilities():
                if installed.filter(name__glob=it.name):
                    found.update(p.name for p in installed.filter(name__glob=it.name))
                    break
    globs = set(conf.excludepkgs).union(*(r.excludepkgs for r in base.repos.iter_enabled()))
    for p in installed:
        if any(fnmatch.fnmatch(w, g) for g in globs for w in (p.name, "%s.%s" % (p.name, p.arch), str(p))):
            found.add(p.name)
    return found

RANK = {hawkey.ADVISORY_SECURITY: 3, hawkey.ADVISORY_BUGFIX: 2, hawkey.ADVISORY_ENHANCEMENT: 1}
def of_class(p):
    rank = 0
    for q in every.available().filter(name=p.name, arch=p.arch):  # whatever came since counts
        if q <= p and all(base.sack.evr_cmp(q.evr, v) > 0 for v in there.get((p.name, p.arch), ())):
            rank = max([rank] + [RANK.get(a.type, 0) for a in q.get_advisories(hawkey.EQ)])
    return {3: "security", 1: "enhancement"}.get(rank, "bugfix")

def updates():
    told = base.sack.query().available().filter(advisory_type=["security", "bugfix", "enhancement", "newpackage"])
    if told:
        say("classes", "security", "bugfix", "enhancement")
    else:
        say("unclassed", "no source of the host has advisories (updateinfo), so nobody knows which update is of which class")
    base.upgrade_all()
    try:
        base.resolve()
    except dnf.exceptions.Error as e:
        fail("the updates cannot be worked out: %s" % " ".join(str(e).split()))
    for item in base.transaction:
        p = item.pkg
        if item.action == dnf.transaction.PKG_UPGRADE:
            was = sorted(there.get((p.name, p.arch)) or {i.evr for i in installed.filter(name=p.name)})
            say("up", full(p), was[0] if was else "-", p.evr, of_class(p))
        elif item.action == dnf.transaction.PKG_INSTALL or item.action == dnf.transaction.PKG_OBSOLETE:
            say("up", full(p), "-", p.evr, of_class(p))
        elif item.action in (dnf.transaction.PKG_OBSOLETED, dnf.transaction.PKG_ERASE):
            say("gone", full(p), p.evr)
        names.append(p.name)

if mode == "keep":
    kept()
    sys.exit(0)
if not plugin:
    say("holdless", "dnf has no plugin versionlock here, and holds nothing without it: install python3-dnf-plugin-versionlock first")
locked = held()
for name in sorted(locked):
    say("held", name)
if mode == "updates":
    updates()
    names.extend(locked)
if mode == "all":
    names.extend(p.name for p in installed)
names = {n.split(":")[0] for n in names}
for p in every.available().filter(name=list(names)):
    say("have", full(p), p.evr)
for p in every.available().filter(name=list(names), latest_per_arch=True):
    say("cand", full(p), p.evr)
out.flush()
os._exit(0)
END
}
"#;

/// What lies in a cache, `CACHE`.
const CACHED: &str = r#"find CACHE -name '*.rpm' -type f 2>/dev/null | head -n 5000 | tr '\n' '\0' | xargs -0 -r rpm -qp --nosignature --qf 'deb %{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' 2>/dev/null | sed 's/ 0:/ /'
"#;

pub(super) fn cached(cache: &str) -> String {
    CACHED.replace("CACHE", cache)
}

pub(super) fn look() -> String {
    format!(
        "{RPM_BUSY}[ $what != updates ] || idle $wait\n{RPM_INVENTORY}{}{PYTHON}py $what \"$refresh\" $names || exit",
        cached("/var/cache/dnf")
    )
}

/// As dnf takes a package: `name-version.arch`.
pub(super) fn nevra(full: &str, version: &str) -> String {
    match full.split_once(':') {
        Some((name, arch)) => format!("{name}-{version}.{arch}"),
        None => format!("{full}-{version}"),
    }
}

/// What is put, what of that is fresh, and what goes: for this family of managers.
pub(super) struct Split {
    pub put: Vec<String>,
    pub fresh: Vec<String>,
    pub gone: Vec<String>,
}

pub(super) fn split(wants: &[Want]) -> Split {
    let mut split = Split {
        put: Vec::new(),
        fresh: Vec::new(),
        gone: Vec::new(),
    };
    for want in wants {
        match want {
            Want::Put {
                full,
                version,
                path,
                fresh,
                ..
            } => {
                split.put.push(path.clone().unwrap_or_else(|| nevra(full, version)));
                if *fresh {
                    split.fresh.push(full.replace(':', "."));
                }
            }
            Want::Gone { full, version, .. } => split.gone.push(nevra(full, version)),
        }
    }
    split
}

/// One transaction; what is to go from beside it goes in a second one, because none of its commands does both and stops at a mistake.
/// It would wait for its own lock for ever, so it is told not to.
pub(super) fn install(how: &How<'_>, wants: &[Want]) -> String {
    let Split { put, fresh, gone } = split(wants);
    let older = if how.older && how.may_remove {
        " --allowerasing"
    } else {
        ""
    };
    let wait = how.lock_wait.as_secs();
    let mut text = format!(
        "t={wait}\nidle $t\ndo_it() {{\n  until noted rpm_broke dnf -y --setopt=exit_on_lock=1 --setopt=clean_requirements_on_remove=0 \"$@\"; do\n    \
         s=$?; [ $s -eq 200 ] && [ $t -gt 0 ] || return $s; t=$((t - 2)); sleep 2\n  done\n}}\n"
    );
    let mut steps = Vec::new();
    if !put.is_empty() {
        steps.push(format!("do_it install{older} {}", words(&put)));
    }
    if !gone.is_empty() {
        steps.push(format!("do_it remove {}", words(&gone)));
    }
    if how.exact && !fresh.is_empty() {
        // They came for the sake of others, and may go with them.
        steps.push(format!(
            "{{ dnf -q -y mark remove {} >/dev/null 2>&1 || :; }}",
            words(&fresh)
        ));
    }
    text.push_str(if steps.is_empty() { ":" } else { "" });
    text.push_str(&steps.join(" && "));
    text
}

/// Sets and takes holds, in the version that is installed.
pub(super) fn hold(dnf: &str, hold: bool, names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| name.replace(':', ".")).collect();
    format!(
        "{dnf} -q versionlock {} {} >/dev/null",
        if hold { "add" } else { "delete" },
        words(&names)
    )
}

/// Keeps these versions in the folder that the script stands in.
pub(super) fn stash(old: &[(String, String)]) -> String {
    format!(
        "{PYTHON}{}[ $# -eq 0 ] || py keep '' \"$@\" || exit 3\n",
        from_caches(old, "/var/cache/dnf")
    )
}

/// Takes what lies in a cache, and leaves what does not as `$@`: `name:arch=version` each.
pub(super) fn from_caches(old: &[(String, String)], cache: &str) -> String {
    let mut text = "set --\n".to_owned();
    for (name, version) in old {
        text.push_str(&format!(
            "f={}; [ -e \"$f\" ] || {{ c=$(find {cache} -name \"$f\" -type f 2>/dev/null | head -n 1); [ \"$c\" ] && cp \"$c\" .; }} || \
             set -- \"$@\" {}\n",
            words(&[file(name, version)]),
            words(&[format!("{name}={version}")])
        ));
    }
    text
}

/// The name of its file: without the epoch, which no name has.
fn file(name: &str, version: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    let (name, arch) = name.split_once(':').unwrap_or((name, "*"));
    format!("{name}-{version}.{arch}.rpm")
}
