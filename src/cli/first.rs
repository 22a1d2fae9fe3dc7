//! The first process of a container: it starts pitstop as its child, hands signals on, and buries the dead.
//!
//! The kernel makes every orphan a child of process 1, where it stays a zombie until somebody asks how it ended; and no signal
//! ends process 1 by itself, also not while pitstop waits for a window or a password. Whatever else pitstop does is the same
//! for a child as everywhere, so all of this is here.
//!
//! Owns: being process 1. Must not: know what the child does.

use std::io::{IsTerminal as _, stderr, stdin};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, wait};
use rustix::termios::tcsetpgrp;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::exit;

/// Lives as long as pitstop, if this is process 1, and tells its exit code. `None`: pitstop runs in this process.
pub fn outlive() -> Option<u8> {
    if !getpid().is_init() {
        return None;
    }
    // Where this fails (no `/proc`, no descriptors) pitstop is process 1 itself, as well as it can.
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        let mut dead = signal(SignalKind::child()).ok()?;
        let mut int = signal(SignalKind::interrupt()).ok()?;
        let mut term = signal(SignalKind::terminate()).ok()?;
        let mut hup = signal(SignalKind::hangup()).ok()?;
        let mut quit = signal(SignalKind::quit()).ok()?;
        let child = start()?;
        loop {
            let told = tokio::select! {
                _ = int.recv() => Signal::INT,
                _ = term.recv() => Signal::TERM,
                _ = hup.recv() => Signal::HUP,
                _ = quit.recv() => Signal::QUIT,
                _ = dead.recv() => match bury(child) {
                    Some(code) => return Some(code),
                    None => continue,
                },
            };
            let _ = kill_process(child, told);
        }
    })
}

/// This program once more, in a process group of its own: what a terminal sends to a group reaches it once, and not by us too.
fn start() -> Option<Pid> {
    let mut arguments = std::env::args_os();
    let mut command = Command::new("/proc/self/exe");
    command.arg0(arguments.next()?).args(arguments).process_group(0);
    let child = Pid::from_child(&command.spawn().ok()?);
    let terminal = if stdin().is_terminal() {
        tcsetpgrp(stdin(), child)
    } else if stderr().is_terminal() {
        tcsetpgrp(stderr(), child)
    } else {
        return Some(child);
    };
    // It may have asked for the terminal before it had it, and was stopped for that.
    if terminal.is_ok() {
        let _ = kill_process(child, Signal::CONT);
    }
    Some(child)
}

/// Takes every child's end; that of ours as an exit code.
fn bury(ours: Pid) -> Option<u8> {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
        if pid != ours {
            continue;
        }
        if status.stopping_signal() == Some(Signal::TSTP.as_raw()) {
            // Nobody is here who could let it go on.
            let _ = kill_process(ours, Signal::CONT);
        } else if let Some(code) = status.exit_status() {
            return Some(u8::try_from(code).unwrap_or(exit::FAULT));
        } else if let Some(number) = status.terminating_signal() {
            return Some(u8::try_from(128 + number).unwrap_or(exit::FAULT));
        }
    }
    None
}
