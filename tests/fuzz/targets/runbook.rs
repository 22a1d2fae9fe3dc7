//! A runbook with all its rules; it includes itself and a small file of steps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitstop::diag::{Diagnostics, render};
use pitstop::runbook::check::checked;
use pitstop::runbook::files::{Files, ReadError};

struct One<'a>(&'a [u8]);

impl Files for One<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        match path {
            "steps.yml" => Ok(b"- { name: Look, run: 'true', read_only: true }\n".to_vec()),
            "missing.yml" => Err(ReadError::Missing),
            _ => Ok(self.0.to_vec()),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut diags = Diagnostics::new();
    let runbook = checked(&One(bytes), "runbooks/fuzz.yml", &mut diags);
    assert!(runbook.is_some() || diags.has_errors(), "no runbook, and no reason");
    diags.sort();
    diags.0.truncate(5);
    let _ = render::human(&diags, false, 80);
});
