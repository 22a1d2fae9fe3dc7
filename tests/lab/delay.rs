// delay NETNS_A NETNS_B NAME MILLISECONDS TURNS: a link with delay, for kernels without netem.
//
// Owns: a TUN device NAME in each of two network namespaces, and every packet between them, which it holds for half of the
// round trip; the number in the file TURNS: how often A spoke to a host of B after that had spoken, over all hosts, and opened
// a connection to it. That is how many round trips were waited for. Must not: drop, reorder or change a packet, or reach any
// other network. No crates; lab.sh compiles it.

use std::collections::{HashMap, VecDeque};
use std::ffi::{c_int, c_ulong, c_void, CString};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

const CLONE_NEWNET: c_int = 0x4000_0000;
const O_NONBLOCK: c_int = 0o4000;
const TUNSETIFF: c_ulong = 0x4004_54ca;
const IFF_TUN_NO_PI: u16 = 0x0001 | 0x1000;
const POLLIN: i16 = 1;

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn setns(fd: c_int, kind: c_int) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn ppoll(fds: *mut PollFd, count: c_ulong, timeout: *const Timespec, mask: *const c_void) -> c_int;
}

/// One end of the link, and the packets bound for it with the moment when they are due.
struct End {
    tun: File,
    due: VecDeque<(Instant, Vec<u8>)>,
}

impl End {
    fn open(netns: &str, name: &str) -> End {
        CString::new(name).expect("a name of a device");
        assert!(name.len() < 16, "{name}: too long for a device");
        let namespace = File::open(format!("/run/netns/{netns}")).expect("the network namespace");
        assert_eq!(
            unsafe { setns(namespace.as_raw_fd(), CLONE_NEWNET) },
            0,
            "setns {netns}"
        );
        let tun = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(O_NONBLOCK)
            .open("/dev/net/tun")
            .expect("/dev/net/tun");
        let mut request = [0u8; 40];
        request[..name.len()].copy_from_slice(name.as_bytes());
        request[16..18].copy_from_slice(&IFF_TUN_NO_PI.to_ne_bytes());
        assert_eq!(
            unsafe { ioctl(tun.as_raw_fd(), TUNSETIFF, request.as_mut_ptr()) },
            0,
            "TUNSETIFF {netns}"
        );
        End {
            tun,
            due: VecDeque::new(),
        }
    }

    /// A packet that cannot be written (the device is down) is lost, as on any wire.
    fn send_due(&mut self) {
        let now = Instant::now();
        while self.due.front().is_some_and(|(when, _)| *when <= now) {
            if let Some((_, packet)) = self.due.pop_front() {
                let _ = (&self.tun).write(&packet);
            }
        }
    }
}

/// Round trips over TCP, counted by who speaks to whom.
#[derive(Default)]
struct Turns {
    /// By the host's address: whether A spoke last.
    asked: HashMap<[u8; 4], bool>,
    count: u64,
    /// The count that stands in the file, and when it was written.
    written: Option<(u64, Instant)>,
}

impl Turns {
    const PACE: Duration = Duration::from_millis(20);

    /// A packet on its way.
    fn see(&mut self, packet: &[u8], by_a: bool) {
        let word = |at: usize| packet.get(at..at + 2).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        let byte = |at: usize| packet.get(at).copied().unwrap_or(0);
        let tcp = usize::from(byte(0) & 15) * 4;
        if byte(0) >> 4 != 4 || byte(9) != 6 || packet.len() < tcp + 20 {
            return;
        }
        let says = word(2) > tcp + usize::from(byte(tcp + 12) >> 4) * 4;
        let opens = byte(tcp + 13) & 2 != 0;
        let at = if by_a { 16 } else { 12 };
        let host = [byte(at), byte(at + 1), byte(at + 2), byte(at + 3)];
        let asked = self.asked.entry(host).or_default();
        if by_a && (opens || says && !*asked) {
            self.count += 1;
        }
        if says || opens {
            *asked = by_a;
        }
    }

    /// Writes the count down if it has changed, not too often. How long the file is behind at most, if it is.
    fn write(&mut self, path: &str) -> Option<Duration> {
        if self.written.is_some_and(|(count, _)| count == self.count) {
            return None;
        }
        let waits = self.written.map_or(Duration::ZERO, |(_, at)| Self::PACE.saturating_sub(at.elapsed()));
        if !waits.is_zero() {
            return Some(waits);
        }
        std::fs::write(path, format!("{}\n", self.count)).expect("the file for the count");
        self.written = Some((self.count, Instant::now()));
        None
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [a, b, name, milliseconds, path] = args.as_slice() else {
        eprintln!("usage: delay NETNS_A NETNS_B NAME MILLISECONDS TURNS");
        std::process::exit(64);
    };
    let half = Duration::from_secs_f64(milliseconds.parse::<f64>().expect("milliseconds") / 2000.0);
    let mut ends = [End::open(a, name), End::open(b, name)];
    let (mut buffer, mut turns) = (vec![0u8; 65536], Turns::default());
    loop {
        ends.iter_mut().for_each(End::send_due);
        let next = ends
            .iter()
            .filter_map(|end| end.due.front().map(|(when, _)| *when))
            .min();
        let wait = next.map_or(Duration::from_secs(5), |when| {
            when.saturating_duration_since(Instant::now())
        });
        let wait = turns.write(path).map_or(wait, |behind| wait.min(behind));
        let timeout = Timespec {
            seconds: wait.as_secs() as i64,
            nanoseconds: i64::from(wait.subsec_nanos()),
        };
        let poll = |end: &End| PollFd {
            fd: end.tun.as_raw_fd(),
            events: POLLIN,
            revents: 0,
        };
        let mut fds = [poll(&ends[0]), poll(&ends[1])];
        unsafe { ppoll(fds.as_mut_ptr(), 2, &timeout, std::ptr::null()) };
        for from in 0..2 {
            // Not without end, so that the other direction and what is due are not kept waiting.
            for _ in 0..256 {
                let Ok(length) = (&ends[from].tun).read(&mut buffer) else {
                    break;
                };
                turns.see(&buffer[..length], from == 0);
                ends[1 - from]
                    .due
                    .push_back((Instant::now() + half, buffer[..length].to_vec()));
            }
        }
    }
}
