//! Inventories, and selectors over what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pitstop::diag::Diagnostics;
use pitstop::inventory::{hosts, selector::Selector};
use pitstop::runbook::yaml;

fuzz_target!(|bytes: &[u8]| {
    let mut diags = Diagnostics::new();
    let Some(source) = yaml::source("inventory.yml", bytes, &mut diags) else {
        assert!(diags.has_errors(), "no text, and no reason");
        return;
    };
    let inventory = hosts::read(&source, &mut diags);
    assert!(inventory.is_some() || diags.has_errors(), "no inventory, and no reason");
    if let (Some(inventory), Ok(selector)) = (inventory, Selector::parse(source.text.lines().last().unwrap_or(""))) {
        let _ = (selector.select(&inventory), selector.unknown(&inventory));
    }
});
