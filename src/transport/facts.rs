//! A host's facts out of what a lane's opening said.
//!
//! Owns: the reading of `name=value` lines. Must not: ask a host.

use super::latch::Hello;
use crate::inventory::facts::Facts;

/// No fact is longer; what is, is cut.
const LONGEST: usize = 256;

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
        algorithms: String::new(),
        latch: hello.dir.is_some(),
        run_dir: hello.dir.clone().unwrap_or_default(),
    }
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
}
