//! Tests of `secret`: every form of every value, however the output is cut.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::json;

use super::*;

const CANARY: &str = "pä$$ w'rd/\"x\\y`z+?";

fn redactor(secrets: &[(&str, &str)]) -> Redactor {
    let owned: Vec<(&str, Secret)> = secrets
        .iter()
        .map(|(n, v)| (*n, Secret::new((*v).to_owned())))
        .collect();
    Redactor::new(owned.iter().map(|(n, s)| (*n, s))).unwrap()
}

/// What a host could make of the canary, by form.
fn shapes(value: &str) -> Vec<(&'static str, String)> {
    let percent: String = value
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            b => format!("%{b:02X}"),
        })
        .collect();
    let json_text = serde_json::to_string(value).unwrap();
    let mut shapes = vec![
        ("plain", value.to_owned()),
        ("hex", crate::id::hex(value.as_bytes())),
        ("HEX", crate::id::hex(value.as_bytes()).to_uppercase()),
        ("url", percent),
        ("json", json_text[1..json_text.len() - 1].to_owned()),
        ("sh", value.replace('\'', r"'\''")),
        ("shlex", value.replace('\'', r#"'"'"'"#)),
        ("ps", value.replace('\'', "''")),
    ];
    for front in ["", "u", "ad", "min"] {
        for back in ["", "\n", ":x"] {
            let text = format!("{front}{value}{back}");
            shapes.push(("base64", STANDARD.encode(&text)));
            shapes.push(("base64 no pad", STANDARD_NO_PAD.encode(&text)));
            shapes.push(("base64url", URL_SAFE.encode(&text)));
            shapes.push(("base64url no pad", URL_SAFE_NO_PAD.encode(&text)));
        }
    }
    shapes
}

fn in_pieces(redactor: &Redactor, pieces: &[&[u8]]) -> Vec<u8> {
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    for piece in pieces {
        stream.push(piece, &mut out);
    }
    stream.finish(&mut out);
    out
}

#[test]
fn every_form_is_found_at_every_split_position() {
    let redactor = redactor(&[("db", CANARY)]);
    for (form, shape) in shapes(CANARY) {
        let text = format!("before {shape} after");
        let bytes = text.as_bytes();
        let whole = in_pieces(&redactor, &[bytes]);
        let shown = String::from_utf8_lossy(&whole).into_owned();
        assert!(shown.contains("[secret db]"), "{form}: {shown}");
        assert!(
            shown.starts_with("before ") && shown.ends_with(" after"),
            "{form}: {shown}"
        );
        // At most the characters of base64 that the secret shares with its neighbours are left.
        assert!(shown.len() <= "before [secret db] after".len() + 8, "{form}: {shown}");
        for at in 0..=bytes.len() {
            let (a, b) = bytes.split_at(at);
            assert_eq!(in_pieces(&redactor, &[a, b]), whole, "{form} split at {at}");
        }
    }
}

/// The control: without the redactor the canary is there.
#[test]
fn a_redactor_without_secrets_changes_nothing() {
    let bytes = [CANARY.as_bytes(), &[0xff, 0, 0xfe]].concat();
    assert_eq!(Redactor::default().redact_bytes(&bytes), bytes);
    assert_eq!(redactor(&[]).redact_bytes(&bytes), bytes);
}

#[test]
fn a_short_secret_is_refused_by_name_and_its_value_is_not_told() {
    let short = Secret::new("geheim7".to_owned());
    let error = Redactor::new([("db", &short)]).unwrap_err();
    assert_eq!(error, RedactError::TooShort("db".to_owned()));
    assert!(!format!("{error} {error:?} {}", error.help()).contains("geheim7"));
}

#[test]
fn overlapping_secrets_leave_no_part_of_either() {
    let redactor = redactor(&[("a", "abcdefgh1234"), ("b", "1234ijklmnop")]);
    assert_eq!(redactor.redact_text("x abcdefgh1234ijklmnop y"), "x [secret a] y");
    let self_overlap = super::tests::redactor(&[("a", "aaaaaaaa")]);
    assert_eq!(self_overlap.redact_text("aaaaaaaaaaaaaaaaaaaaa!"), "[secret a]!");
    assert_eq!(self_overlap.redact_text("aaaaaaa"), "aaaaaaa");
}

#[test]
fn a_secret_of_several_lines_is_found_line_by_line_too() {
    let redactor = redactor(&[("key", "-----BEGIN-----\nMIIEvAIBADANBg\nshort\n-----END-----\n")]);
    let shown = redactor.redact_text("cat: -----BEGIN-----\r\nMIIEvAIBADANBg\r\n");
    assert_eq!(shown, "cat: [secret key]\r\n[secret key]\r\n");
}

#[test]
fn base64_that_a_tool_broke_into_lines_is_found_line_by_line() {
    let value: String = (0..60).map(|n| format!("k{}", n * 7919)).collect();
    let redactor = redactor(&[("key", &value)]);
    for width in [64, 76] {
        for front in 0..9 {
            let encoded = STANDARD.encode(format!("{}{value}", "x".repeat(front)));
            let lines: Vec<&str> = (0..encoded.len())
                .step_by(width)
                .map(|at| &encoded[at..encoded.len().min(at + width)])
                .collect();
            let shown = redactor.redact_text(&lines.join("\n"));
            let left: usize = shown.replace("[secret key]", "").lines().map(str::len).sum();
            assert!(left <= 8 * lines.len() + 12, "{width} {front}: {shown}");
            assert!(
                shown
                    .lines()
                    .all(|line| line.contains("[secret key]") || line.len() < PIECE_AND_EDGE),
                "{shown}"
            );
        }
    }
}

/// A last line shorter than a piece cannot be told from other text.
const PIECE_AND_EDGE: usize = 12 + 4;

#[test]
fn a_private_key_as_a_secret_is_ready_and_found_in_time() {
    let value: String = (0..50)
        .map(|n: u32| format!("{}\n", STANDARD.encode(n.to_be_bytes().repeat(12))))
        .collect();
    let start = std::time::Instant::now();
    let redactor = redactor(&[("key", &value)]);
    assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
    assert_eq!(redactor.redact_text(&format!("a {value}b")), "a [secret key]b");
}

#[test]
fn json_is_redacted_in_values_keys_and_numbers() {
    let redactor = redactor(&[("pin", "12345678")]);
    let mut value = json!({"k12345678": ["a 12345678", 12345678, 7, null, true]});
    redactor.redact_json(&mut value);
    assert_eq!(
        value,
        json!({"k[secret pin]": ["a [secret pin]", "[secret pin]", 7, null, true]})
    );
}

#[test]
fn no_more_than_the_longest_form_is_held_back() {
    let redactor = redactor(&[("a", "abcdefgh")]);
    let longest = redactor.0.as_ref().unwrap().longest;
    let mut stream = redactor.stream();
    let mut out = Vec::new();
    for sent in 1..200_usize {
        stream.push(b"a", &mut out);
        assert!(sent - out.len() < longest);
    }
}

proptest! {
    #[test]
    fn pieces_of_any_size_give_what_the_whole_gives(
        parts in prop::collection::vec(
            prop_oneof![Just("abcdefgh".to_owned()), Just("abcdabcdefghefgh".to_owned()), Just("efghabcdx".to_owned()), "[a-h]{0,9}"], 0..12),
        cuts in prop::collection::vec(1_usize..9, 1..40),
    ) {
        let redactor = redactor(&[("a", "abcdefgh"), ("b", "efghabcdx"), ("c", "ghabcdab")]);
        let text = parts.concat();
        let whole = redactor.redact_bytes(text.as_bytes());
        let mut pieces = Vec::new();
        let mut rest = text.as_bytes();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, more) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        prop_assert_eq!(in_pieces(&redactor, &pieces), whole.clone());
        let shown = String::from_utf8(whole).unwrap();
        for value in ["abcdefgh", "efghabcdx", "ghabcdab"] {
            prop_assert!(!shown.contains(value));
        }
    }

    #[test]
    fn any_secret_is_found_in_any_form(value in "\\PC{8,24}", pick in 0_usize..60) {
        let redactor = redactor(&[("s", value.as_str())]);
        let shapes = shapes(&value);
        let (form, shape) = &shapes[pick % shapes.len()];
        let shown = redactor.redact_text(&format!("<{shape}>"));
        prop_assert!(shown.contains("[secret s]"), "{form}: {shape} gave {shown}");
    }
}
