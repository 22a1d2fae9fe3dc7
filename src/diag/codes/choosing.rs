//! `PS069x`: hosts, steps and values that flags choose.

use super::Code;

pub(super) const CODES: &[Code] = &[
    Code {
        code: "PS0690",
        title: "a list names an unknown host",
        text: "`--limit @FILE` and `--hosts-of` name hosts one by one; each must be in the inventory, so that a misspelt name is not a host that is quietly left out.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0691",
        title: "a list names no host",
        text: "A file of `--limit @FILE` holds one host a line; `#` begins a comment. An empty one is a mistake more often than a wish.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0692",
        title: "a step may not be done alone",
        text: "`--only` takes a phase, or a step of `steps` that changes something. What looks, drains, verifies, undrains and cleans up goes with it and cannot be chosen; a step whose undo is that of another (`covered_by`) needs that one too.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0693",
        title: "what is left out is needed",
        text: "A step that stays reads a result of one that `--only` leaves out. Choose both, or the whole phase. `ran` and `changed` of a step that is left out may be read: they are false.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0694",
        title: "the same is asked for and left out",
        text: "`--only` and `--skip` (or `skip` of the change) name the same step or phase.",
        wrong: "",
        right: "",
    },
    Code {
        code: "PS0695",
        title: "a file holds no parameters",
        text: "`--set-file FILE` reads a map: `name: value` lines or a JSON object. For one text from a file write `--set-file NAME=FILE`.",
        wrong: "",
        right: "",
    },
];
