//! Programs that print what a manual shows, for the managers that cannot be had here.
//!
//! Owns: running a look beside them. Must not: be used where the real one can be had.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use super::State;
use super::family::{Look, look};

/// A program, and what it does. What it is asked otherwise it ends with an error.
struct Fake {
    name: &'static str,
    does: String,
}

impl Fake {
    fn of(name: &'static str, does: &str) -> Self {
        Self {
            name,
            does: does.to_owned(),
        }
    }
}

/// What the look says on a system that calls itself so: its exit code, and both its outputs.
fn said(system: &str, look: &str, fakes: &[Fake]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let release = dir.path().join("os-release");
    let id = if system == "dnf5" { "fedora" } else { system };
    std::fs::write(&release, format!("ID={id}\n")).unwrap();
    for fake in fakes {
        let path = dir.path().join(fake.name);
        std::fs::write(&path, format!("#!/bin/sh\n{}\n", fake.does)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    if system == "dnf5" {
        std::os::unix::fs::symlink("dnf5", dir.path().join("dnf")).unwrap();
    }
    let ran = Command::new("sh")
        .args(["-c", &look.replace("/etc/os-release", release.to_str().unwrap())])
        .env(
            "PATH",
            format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", dir.path().display()),
        )
        .env("HOME", dir.path())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
}

/// As its manual shows them.
const CHECK_UPGRADE: &str = "Updating and loading repositories:\nRepositories loaded.\n\
    alsa-lib.x86_64               1.2.12-1.fc40       updates\nbash.x86_64                   5.2.26-4.fc40       updates\n\n\
    Obsoleting packages\nold.x86_64                    1-1.fc40            updates\n";

#[test]
fn what_the_manual_of_dnf_5_shows_is_read() {
    let fakes = [
        Fake::of(
            "rpm",
            r#"case "$*" in *NAME*ARCH*was* | *"was %{NAME}"*) printf 'was alsa-lib:x86_64 1.2.11-2.fc40\nwas bash:x86_64 5.2.26-3.fc40\n' ;;
            -qa\ --qf*) printf 'alsa-lib:x86_64 1.2.11-2.fc40\nbash:x86_64 5.2.26-3.fc40\n' ;; -qa) echo bash ;; --eval*) echo /nowhere ;; *) exit 1 ;; esac"#,
        ),
        Fake::of(
            "dnf5",
            &format!(
                "case \"$*\" in *makecache*) ;; *advisory*) echo FEDORA-2024-1 ;; *'check-upgrade --security') printf '%s' '{CHECK_UPGRADE}' | grep -v alsa; exit 100 ;;\n\
             *'check-upgrade --enhancement') ;; *check-upgrade) printf '%s' '{CHECK_UPGRADE}'; exit 100 ;;\n\
             *latest-limit*) printf 'cand bash:x86_64 5.2.26-4.fc40\\n' ;; *repoquery*) printf 'have bash:x86_64 5.2.26-3.fc40\\nhave bash:x86_64 5.2.26-4.fc40\\n' ;; *) exit 9 ;; esac"
            ),
        ),
        Fake::of("uname", "echo x86_64"),
    ];
    let script = look(
        "r",
        &Look::Updates {
            lock_wait: Duration::ZERO,
            refresh: true,
        },
    );
    let (rc, out, err) = said("dnf5", &script, &fakes);
    assert_eq!(rc, 0, "{err}");
    let state = State::read(&out).unwrap();
    let found: Vec<String> = state
        .updates
        .iter()
        .map(|u| format!("{} {} {}", u.id(), u.old, u.class()))
        .collect();
    assert_eq!(
        found,
        [
            "alsa-lib=1.2.12-1.fc40 1.2.11-2.fc40 bugfix",
            "bash=5.2.26-4.fc40 5.2.26-3.fc40 security"
        ]
    );
    assert!(state.can_be_had("bash", "5.2.26-3.fc40") && !state.can_be_had("alsa-lib", "1.2.11-2.fc40"));
    // A source that does not answer is no success.
    let gone = [
        Fake::of(
            "rpm",
            "case $1 in --eval) echo /nowhere ;; -qa) echo a:x86_64 1-1 ;; esac",
        ),
        Fake::of("dnf5", "echo 'no repository updates'; exit 1"),
    ];
    let (rc, _, err) = said("dnf5", &script, &gone);
    assert!(rc == 100 && err.contains("no repository updates"), "{rc} {err}");
}

#[test]
fn what_the_manual_of_apk_shows_is_read() {
    let apk = |update: &str| {
        Fake::of(
            "apk",
            &format!(
                "case \"$*\" in --print-arch) echo x86_64 ;; 'list -I') echo 'musl-1.2.4-r1 x86_64 {{musl}} (MIT) [installed]'; echo 'py3-a-b-2.0_rc1-r0 noarch {{a}} (MIT) [installed]' ;;\n\
                 *update) {update} ;; *'upgrade -s') printf '(1/2) Installing zlib (1.3-r0)\\n(2/2) Upgrading musl (1.2.4-r1 -> 1.2.4-r2)\\nOK: 8 MiB in 15 packages\\n' ;;\n\
                 'list -a') echo 'musl-1.2.4-r2 x86_64 {{musl}} (MIT)'; echo 'zlib-1.3-r0 x86_64 {{zlib}} (Zlib)' ;; 'list -u') echo 'musl-1.2.4-r2 x86_64 {{musl}} (MIT) [upgradable from: musl-1.2.4-r1]' ;; *) exit 9 ;; esac"
            ),
        )
    };
    let script = look(
        "r",
        &Look::Updates {
            lock_wait: Duration::ZERO,
            refresh: true,
        },
    );
    let (rc, out, err) = said("alpine", &script, &[apk("echo 'OK: 23 distinct packages available'")]);
    assert_eq!(rc, 0, "{err}");
    let state = State::read(&out).unwrap();
    let found: Vec<String> = state.updates.iter().map(|u| format!("{} {}", u.id(), u.old)).collect();
    assert_eq!(found, ["zlib=1.3-r0 ", "musl=1.2.4-r2 1.2.4-r1"]);
    assert!(state.find("py3-a-b").unwrap().has("2.0_rc1-r0"));
    assert!(state.can_be_had("zlib", "1.3-r0") && !state.can_be_had("musl", "1.2.4-r1"));
    let warns = "echo 'WARNING: updating https://mirror/main: temporary error (try again later)'; echo 'OK: 1 unavailable, 0 stale'";
    let (rc, _, err) = said("alpine", &script, &[apk(warns)]);
    assert!(rc == 100 && err.contains("https://mirror/main"), "{rc} {err}");
}
