//! A host's facts out of what a lane's opening said.
//!
//! Owns: the reading of `name=value` lines. Must not: ask a host.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::latch::Hello;
use crate::inventory::facts::Facts;

/// No fact is longer; what is, is cut.
const LONGEST: usize = 256;
/// More keys no server has.
const MOST_KEYS: usize = 16;

/// The facts; those of the connection itself (host key, algorithms) are added by who knows them.
pub(super) fn read(hello: &Hello) -> Facts {
    let value = |name: &str| -> String {
        let found = hello
            .facts
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(LONGEST)
            .collect()
    };
    let distro = value("distro");
    let none_is_empty = |text: String| if text == "none" { String::new() } else { text };
    Facts {
        os: value("os").to_lowercase(),
        family: family(&distro, &value("like")),
        distro,
        version: value("version"),
        kernel: value("kernel"),
        virtual_: none_is_empty(value("virtual")),
        boot: hello.boot.clone(),
        machine: value("machine"),
        user: value("user"),
        host_key: String::new(),
        first_key: String::new(),
        algorithms: String::new(),
        latch: hello.dir.is_some(),
        run_dir: hello.dir.clone().unwrap_or_default(),
    }
}

/// Fills in `first_key`. A machine has several keys, and which of them a login shows depends on the client: of those that the
/// machine's own server has, the first stands for it. A login by none of these met another server: its key stands for itself.
pub(super) fn add_first_key(facts: &mut Facts, hello: &Hello) {
    let lines = hello.facts.lines().filter_map(|line| line.strip_prefix("key="));
    let keys: Vec<String> = lines.take(MOST_KEYS).filter_map(fingerprint).collect();
    let here = facts.host_key.is_empty() || keys.contains(&facts.host_key);
    let first = keys.into_iter().next().filter(|first| here && *first != facts.host_key);
    facts.first_key = first.unwrap_or_default();
}

/// As OpenSSH writes it.
fn fingerprint(key: &str) -> Option<String> {
    let blob = STANDARD.decode(key).ok().filter(|blob| !blob.is_empty())?;
    Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob))))
}

fn family(distro: &str, like: &str) -> String {
    let known = |word: &str| match word {
        "debian" | "ubuntu" => Some("debian"),
        "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "ol" | "amzn" => Some("rhel"),
        "suse" | "opensuse" | "sles" | "opensuse-leap" | "opensuse-tumbleweed" => Some("suse"),
        "arch" => Some("arch"),
        "alpine" => Some("alpine"),
        _ => None,
    };
    std::iter::once(distro)
        .chain(like.split(' '))
        .find_map(known)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_distribution_is_of_its_parent_s_family() {
        assert_eq!(family("linuxmint", "ubuntu debian"), "debian");
        assert_eq!(family("rocky", ""), "rhel");
        assert_eq!(family("plan9", ""), "");
    }

    /// As `ssh-keygen -lf` says them.
    const ONE: (&str, &str) = (
        "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "SHA256:kmYcvdi2GkPeWxB6XLjrZB8JHsy2Hm8luHMFp9GMvqk",
    );
    const TWO: (&str, &str) = (
        "AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
        "SHA256:RXm/ruZ0eTzRXKwi1AQEDynB0VgHQ2ac9KPSFdf/YnA",
    );

    fn identity(shown: &str, keys: &[&str]) -> String {
        let lines = keys.iter().map(|key| format!("key={key}\n")).collect::<String>();
        let hello = Hello {
            facts: format!("machine=m1\n{lines}"),
            ..Hello::default()
        };
        let mut facts = read(&hello);
        facts.host_key = shown.to_owned();
        add_first_key(&mut facts, &hello);
        facts.identity().to_owned()
    }

    #[test]
    fn a_machine_is_one_by_whichever_of_its_keys_it_is_reached() {
        let keys = [ONE.0, TWO.0];
        assert_eq!(identity(ONE.1, &keys), ONE.1);
        assert_eq!(identity(TWO.1, &keys), ONE.1);
        assert_eq!(identity("", &keys), ONE.1, "not by SSH at all");
    }

    #[test]
    fn a_server_with_keys_of_its_own_is_another_machine() {
        assert_eq!(identity(TWO.1, &[ONE.0]), TWO.1);
        assert_eq!(identity(TWO.1, &[]), TWO.1);
        assert_eq!(identity(TWO.1, &["", "no base64"]), TWO.1);
        assert_eq!(identity("", &[]), "m1");
    }
}
