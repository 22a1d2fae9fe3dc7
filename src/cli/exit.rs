//! The exit codes: the contract with scripts and CI.
//!
//! Owns: their numbers and what each promises. Must not: choose one (the commands and the verdict do).

/// Every planned host is good, objectives are met, nothing is left behind. A reader: good, or equal.
pub const GOOD: u8 = 0;
/// A person is needed: a host is held, broken or unknown, hosts are mixed, or something is left behind. A reader: not good.
pub const PERSON: u8 = 1;
/// A file, parameter or plan is wrong: nothing was touched. A reader: its input cannot be read.
pub const WRONG: u8 = 2;
/// A precheck, a check or the steady state is false: nothing was touched.
pub const PRECHECK: u8 = 3;
/// Everything that was changed is rolled back and verified.
pub const ROLLED_BACK: u8 = 4;
/// A person's decision is awaited.
pub const WAITING: u8 = 5;
/// Not allowed now (window, freeze, lock, approval): this command touched nothing.
pub const REFUSED: u8 = 6;
/// Stopped by a person, a rejection or the window; `resume` goes on.
pub const STOPPED: u8 = 7;
/// All hosts are done, but an objective or the final steady state was missed.
pub const MISSED: u8 = 8;
/// Our own bug, or a broken machine.
pub const FAULT: u8 = 70;

/// What `--help` says about them.
pub const HELP: &str = "\
Exit codes:
   0  all hosts good, nothing left behind (readers: good, equal)
   1  a person is needed (readers: not good, not equal)
   2  wrong file, parameter or plan: nothing touched
   3  a precheck, check or the steady state is false: nothing touched
   4  everything that was changed is rolled back and verified
   5  waiting for a person's decision
   6  not allowed now (window, freeze, lock, approval): nothing touched
   7  stopped by a person, a rejection or the window
   8  hosts done, but an objective or the final steady state missed
  70  a bug of pitstop or a broken machine";
