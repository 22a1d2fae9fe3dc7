//! The reader of ssh_config(5) beside OpenSSH's own: `ssh -F FILE -G HOST` says what is right.

#![cfg(test)]

mod bastions;
mod cases;
mod connected;
mod doctor;
mod fido;
mod hostkeys;
mod logins;
mod oracle;
mod project;
mod random;
mod routes;
mod shellless;
#[path = "../common/sshd.rs"]
mod sshd;

use oracle::{Asks, Room, Said};

/// Runs cases; each is a config and the hosts that are asked for.
fn same(room: &Room, config: &str, hosts: &[&str]) {
    for host in hosts {
        for asks in Asks::all(host) {
            room.compare(config, &asks);
        }
    }
}

#[test]
fn every_written_case_is_read_as_ssh_reads_it() {
    let room = Room::new();
    let mut count = 0;
    for (config, hosts) in cases::GOOD {
        same(&room, config, hosts);
        count += hosts.len() * Asks::all("x").len();
    }
    println!("{count} answers compared");
    assert!(count >= 150, "{count}");
}

#[test]
fn every_wrong_config_is_refused_as_ssh_refuses_it() {
    let room = Room::new();
    for (config, code) in cases::WRONG {
        let asks = Asks::of("web1");
        assert!(
            matches!(room.ssh(config, &asks), Said::Refused(_)),
            "ssh takes it:\n{config}"
        );
        let codes = room.ours(config, &asks).expect_err(config);
        assert_eq!(codes, [*code], "{config}");
    }
}

#[test]
fn what_ssh_would_do_and_is_not_done_here_is_refused() {
    let room = Room::new();
    for (config, code) in cases::REFUSED {
        let asks = Asks::of("web1");
        assert_eq!(room.ours(config, &asks).expect_err(config), [*code], "{config}");
        // Said for another host, it is of no matter.
        let other = config
            .replace("Host web1", "Host db9")
            .replace("originalhost web1", "originalhost db9");
        assert_ne!(&other, config, "the case names its host");
        room.compare(&other, &asks);
    }
}

#[test]
fn random_configs_are_read_as_ssh_reads_them() {
    let room = Room::new();
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..200 {
        let config = random::config(seed);
        for host in random::hosts(seed) {
            match room.compare(&config, &Asks::of(host)) {
                true => taken += 1,
                false => refused += 1,
            }
        }
    }
    println!("{taken} random answers equal, {refused} refused by both");
    assert!(
        taken > 300,
        "{taken} taken, {refused} refused: the generator makes too much that is wrong"
    );
    assert!(refused > 2, "{refused}: nothing wrong was made");
}
