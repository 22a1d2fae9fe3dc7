//! The built-in actions on whole machines: services of a real systemd, files of several owners, and restarts that are other boots.

#![cfg(test)]

mod dry;
mod edit;
#[path = "../common/figures.rs"]
mod figures;
mod lab;
mod machines;
mod managers;
mod packages;
mod people;
mod reboot;
mod service;
