//! Whole machines: the built-in actions on services of a real systemd, files of several owners, restarts that are other boots; and the
//! shipped runbooks on HAProxy, etcd, nginx and full disks.

#![cfg(test)]

mod archives;
mod backup_age;
mod certificate;
mod checks;
mod ci;
mod cluster;
mod compliance;
mod disk;
mod drift;
mod drill;
mod dry;
mod dumps;
mod duties;
mod edit;
#[path = "../common/figures.rs"]
mod figures;
mod haproxy;
mod lab;
mod machines;
mod managers;
mod packages;
mod people;
mod pgbackrest;
mod pins;
mod pitr;
mod postgres;
mod reboot;
mod restarts;
mod restores;
mod service;
mod shipped;
mod twins;
