//! An OpenSSH client config that may include itself, asked for three hosts.
#![no_main]

use std::cell::Cell;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pitstop::diag::render;
use pitstop::inventory::sshconfig::{Asked, Files, Operator, SshConfig, Stat, Which};

/// A file under two names, and how often it may be read: includes of includes would else take all the time there is.
struct One<'a>(&'a [u8], Cell<u32>);

const READS: u32 = 3;

const THERE: [&str; 2] = ["/home/tess/.ssh/config", "/home/tess/.ssh/more"];

impl Files for One<'_> {
    fn read(&self, path: &Path) -> std::io::Result<(Vec<u8>, Stat)> {
        let left = self.1.get();
        match left > 0 && THERE.iter().any(|there| Path::new(there) == path) {
            true => {
                self.1.set(left - 1);
                Ok((self.0.to_vec(), Stat { uid: 0, mode: 0o600 }))
            }
            false => Err(std::io::ErrorKind::NotFound.into()),
        }
    }

    fn entries(&self, dir: &Path) -> Vec<String> {
        let names = ["config", "more", ".hidden"].map(str::to_owned);
        (dir == Path::new("/home/tess/.ssh"))
            .then(|| names.to_vec())
            .unwrap_or_default()
    }

    fn exists(&self, path: &Path) -> bool {
        THERE.iter().any(|there| Path::new(there) == path)
    }
}

fuzz_target!(|bytes: &[u8]| {
    for host in ["web1", "10.0.0.7", "db.example.com"] {
        let operator = Operator {
            home: "/home/tess".into(),
            user: "tess".to_owned(),
            machine: "control".to_owned(),
            env: [("HOME".to_owned(), "/home/tess".to_owned())].into(),
            ..Operator::default()
        };
        let config = SshConfig::new(Which::Usual, operator, One(bytes, Cell::new(READS)));
        let asked = Asked {
            host,
            ..Asked::default()
        };
        match config.resolve(&asked) {
            Ok(said) => assert!(!said.hostname.is_empty()),
            Err(mut diags) => {
                assert!(diags.has_errors(), "refused without a reason");
                diags.0.truncate(5);
                let _ = render::human(&diags, false, 80);
            }
        }
    }
});
