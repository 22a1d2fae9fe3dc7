//! Which test shows each row of the fault matrix that concerns connections (25–60), and each advisory of russh; checked
//! against the tests that there are.

use std::path::Path;

/// Where a row is shown.
enum Shown {
    /// By a case of this name, or a test of this name, in this suite.
    Here(&'static [&'static str]),
    /// By a test of this name in another file.
    In(&'static str, &'static str),
    /// Not by a test; why.
    Not(&'static str),
}

use Shown::{Here, In, Not};

const SERVER: &str = "tests/transport/server.rs";
const CONTRACT: &str = "tests/transport/contract.rs";
const CUTS: &str = "tests/transport/cuts.rs";
const BASTION: &str = "tests/transport/bastion.rs";
const LOST: &str = "tests/fleet/lost.rs";
const USERS: &str = "tests/transport/users.rs";
const HOSTKEYS: &str = "tests/ssh_config/hostkeys.rs";
const LOGINS: &str = "tests/ssh_config/logins.rs";

const ANY_CUT: &str = "a_link_cut_at_any_instant_starts_nothing_twice_and_hides_no_end_1";

const ROWS: &[(u32, &str, &[Shown])] = &[
    (
        25,
        "connection refused",
        &[
            In(
                SERVER,
                "a_server_that_is_silent_odd_or_gone_costs_no_more_than_the_limit",
            ),
            Here(&["gone"]),
        ],
    ),
    (
        26,
        "nobody answers the connection",
        &[Here(&[
            "a_name_or_an_address_that_leads_nowhere_costs_no_more_than_the_limit",
            "mute",
            "silent-0",
        ])],
    ),
    (
        27,
        "DNS fails, is slow, changes",
        &[
            Here(&["a_name_or_an_address_that_leads_nowhere_costs_no_more_than_the_limit"]),
            In(
                LOST,
                "a_name_that_nobody_answers_for_costs_its_host_the_limit_and_the_process_nothing",
            ),
            Not("a record that changes is no fault of its own: the host key decides who is there, row 34"),
        ],
    ),
    (
        28,
        "reset in the middle of a command",
        &[In(CUTS, ANY_CUT), Here(&["closed-at-change", "reset-at-change"])],
    ),
    (
        29,
        "half-open, no end is told",
        &[Here(&[
            "an_idle_connection_that_is_half_open_is_found_dead_by_its_keepalives",
            "stopped-for-ever",
            "stopped-for-a-while",
        ])],
    ),
    (
        30,
        "cut during the start, before and after the latch",
        &[
            In(CUTS, ANY_CUT),
            In(CONTRACT, "an_empty_claim_is_fenced_before_it_counts_as_never"),
        ],
    ),
    (
        31,
        "delay",
        &[
            Here(&["a_late_link_starts_a_step_once"]),
            Not("loss is TCP's to mend; what is left of it is delay"),
        ],
    ),
    (
        32,
        "a slow link",
        &[Here(&["a_slow_link_brings_a_step_s_output_whole"])],
    ),
    (
        33,
        "the link flaps",
        &[
            In(CUTS, ANY_CUT),
            In(
                LOST,
                "a_link_that_flaps_all_through_a_step_leaves_it_begun_once_and_its_output_whole",
            ),
        ],
    ),
    (
        34,
        "host key changed, unknown, certified, revoked",
        &[
            In(SERVER, "only_a_host_s_own_listed_key_is_trusted"),
            In(
                HOSTKEYS,
                "a_certificate_that_does_not_prove_the_host_is_refused_with_the_reason",
            ),
            Here(&["another-key-when-asked", "forged-signature"]),
        ],
    ),
    (
        35,
        "MaxStartups, MaxSessions",
        &[
            In(SERVER, "twenty_logins_pass_a_server_that_refuses_beyond_two"),
            In(
                "tests/transport/dropped.rs",
                "an_opening_that_is_dropped_at_any_instant_costs_the_host_no_channel",
            ),
            In(
                LOST,
                "a_server_that_allows_two_channels_gets_its_files_and_its_long_steps",
            ),
            Here(&["max-startups", "channel-refused"]),
        ],
    ),
    (
        36,
        "garbage and floods before the identification",
        &[Here(&[
            "endless-line",
            "endless-lines",
            "zeros",
            "escapes",
            "dribbled-line",
        ])],
    ),
    (
        37,
        "one byte at a time",
        &[Here(&["dribbled-line", "length-never-comes", "silent-2"])],
    ),
    (
        38,
        "malformed packets, lengths, floods",
        &[Here(&[
            "length-4-gib",
            "padding-more-than-all",
            "packets-of-no-size",
            "ext-info-flood",
            "compression-only",
            "ephemeral-31-bytes",
        ])],
    ),
    (
        39,
        "login refused, too many keys",
        &[
            In(
                SERVER,
                "a_login_says_which_keys_were_refused_and_why_others_were_not_offered",
            ),
            Here(&["refused", "no-way-left"]),
        ],
    ),
    (
        40,
        "key files and agents",
        &[
            In(LOGINS, "a_key_file_that_others_can_read_is_not_used"),
            In(
                LOGINS,
                "an_encrypted_key_is_asked_for_once_for_all_hosts_and_only_on_a_terminal",
            ),
            In(SERVER, "a_key_in_the_agent_logs_in_also_for_its_locked_file"),
            In(
                LOGINS,
                "a_step_whose_link_and_agent_are_lost_is_unknown_and_is_not_begun_again",
            ),
        ],
    ),
    (
        41,
        "a million prompts",
        &[Here(&[
            "ten-thousand-prompts",
            "prompts-that-do-not-come",
            "one-prompt-for-ever",
        ])],
    ),
    (
        42,
        "bastion lost",
        &[
            In(
                BASTION,
                "a_lost_bastion_is_a_lost_link_and_the_end_of_a_step_is_learnt_over_the_next",
            ),
            In(SERVER, "many_hosts_behind_a_dead_bastion_cost_one_limit"),
        ],
    ),
    (
        43,
        "channel closed without a status",
        &[Here(&["eof-at-change", "shell-ends-without-status"])],
    ),
    (
        44,
        "ended by a signal",
        &[
            In(CONTRACT, "exit_codes_come_back_exact"),
            Here(&["signal-of-no-name", "shell-killed"]),
        ],
    ),
    (
        45,
        "hangs for ever",
        &[In(
            CONTRACT,
            "past_its_limit_a_command_that_ignores_term_is_proven_stopped",
        )],
    ),
    (
        46,
        "a child keeps the output open",
        &[
            In(CONTRACT, "a_key_starts_at_most_once"),
            Here(&["status-and-no-close"]),
        ],
    ),
    (
        47,
        "output without end",
        &[
            In(SERVER, "output_past_the_cap_is_counted_exactly"),
            In(SERVER, "a_flood_that_nobody_drains_does_not_hold_its_neighbours"),
            In(
                LOST,
                "hosts_that_flood_while_their_disk_stalls_do_not_hold_their_neighbours",
            ),
        ],
    ),
    (
        48,
        "a line without end",
        &[
            In(SERVER, "output_past_the_cap_is_counted_exactly"),
            Here(&["answer-never-ends"]),
        ],
    ),
    (
        49,
        "bytes that are no text",
        &[In(CONTRACT, "the_two_streams_stay_apart_and_exact")],
    ),
    (
        50,
        "terminal escapes",
        &[
            In("tests/injection.rs", "injection"),
            Here(&["escapes", "refused-with-words", "disconnected-when-let-in"]),
        ],
    ),
    (
        51,
        "start-up files that print, hang or are another program",
        &[
            In(SERVER, "a_login_shell_that_never_begins_is_told_within_the_limit"),
            Here(&["says-too-much-before-it-begins"]),
        ],
    ),
    (
        52,
        "no shell, or another one",
        &[
            In("tests/transport/main.rs", "mksh"),
            In(SERVER, "a_login_shell_that_never_begins_is_told_within_the_limit"),
        ],
    ),
    (
        53,
        "no space on the host",
        &[In(USERS, "a_host_without_a_place_for_the_latch_is_attached")],
    ),
    (
        54,
        "home read-only",
        &[In(USERS, "a_host_without_a_place_for_the_latch_is_attached")],
    ),
    (
        55,
        "sudo asks, denies, wants a terminal",
        &[In(USERS, "a_question_that_is_not_the_password_s_fails_in_seconds")],
    ),
    (
        56,
        "a reboot from which nothing returns",
        &[
            In("tests/cli/testing.rs", "then: never_returns"),
            Not("a real reboot needs a machine of its own: the lab's"),
        ],
    ),
    (
        57,
        "the host is back and was not rebooted, or is another",
        &[
            Here(&["another-key-when-asked"]),
            In("tests/cli/testing.rs", "then: reboot"),
        ],
    ),
    (
        58,
        "the recorder is killed",
        &[In(CONTRACT, "a_probe_tells_how_an_attempt_stands")],
    ),
    (
        59,
        "the run's directory is gone or somebody else's",
        &[
            In(CONTRACT, "a_lost_directory_never_proves_that_a_step_did_not_begin"),
            In(CONTRACT, "a_directory_that_is_a_link_is_not_used"),
        ],
    ),
    (
        60,
        "the host's clock is wrong",
        &[Not(
            "nothing is read from a host's clock: ends are told by its records, times by this machine",
        )],
    ),
];

const ADVISORIES: &[(&str, &str, Shown)] = &[
    (
        "CVE-2023-48795",
        "Terrapin: messages before the keys",
        Here(&["strict-exchange-broken"]),
    ),
    ("CVE-2025-54804", "the window overflows", Here(&["window-overflows"])),
    (
        "CVE-2026-42189",
        "prompts, as a server",
        Not("a server's bug; pitstop is none"),
    ),
    (
        "GHSA-f5v4-2wr6-hqmg",
        "not told the same by two sources",
        Not("what it is was not to be learnt; 0.65.1 is behind it"),
    ),
    (
        "CVE-2026-46673",
        "allocates what a length says",
        Here(&[
            "length-4-gib",
            "a_server_that_lies_over_sftp_costs_the_upload_and_no_more_than_its_limit",
        ]),
    ),
    (
        "CVE-2026-48107",
        "the number of prompts",
        Here(&["prompts-that-do-not-come"]),
    ),
    (
        "CVE-2026-48108",
        "lines before the identification",
        Here(&["endless-line", "endless-lines"]),
    ),
    (
        "CVE-2026-48110",
        "allocates before it looks",
        Here(&["length-256-mib", "kexinit-lists-lie", "key-cut"]),
    ),
    (
        "RUSTSEC-2026-0493",
        "what is inflated has no end",
        Here(&["compression-only"]),
    ),
    (
        "CVE-2026-73429",
        "the length of a public key",
        Here(&["ephemeral-empty", "ephemeral-31-bytes", "ephemeral-33-bytes"]),
    ),
    (
        "GHSA-47hw-gvq5-r2gm",
        "channels that nobody opened",
        Here(&["channels-nobody-opened", "channels-are-refused"]),
    ),
    ("GHSA-p8qx-h547-fjw9", "no MAC at all", Here(&["no-mac"])),
    (
        "GHSA-4p9f-7p9m-5vfg",
        "EXT_INFO without end",
        Here(&["ext-info-flood", "ext-info-count-lies"]),
    ),
    ("CVE-2026-116774", "packets of no size", Here(&["packets-of-no-size"])),
    (
        "CVE-2026-116794",
        "its content was not found",
        Not("what it is was not to be learnt; 0.65.1 is behind it"),
    ),
];

fn is_shown(shown: &Shown) -> Result<(), String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    match shown {
        Here(names) => {
            let files = ["before", "after", "links", "sessions"].map(|name| read(&format!("tests/hostile/{name}.rs")));
            let text: String = files.into_iter().collect::<Result<_, _>>()?;
            let there = |name: &&&str| text.contains(&format!("\"{name}\"")) || text.contains(&format!("fn {name}("));
            match names.iter().find(|name| !there(name)) {
                Some(name) => Err(format!("this suite has no {name}")),
                None => Ok(()),
            }
        }
        In(path, name) if read(path)?.contains(name) => Ok(()),
        In(path, name) => Err(format!("{path} has no {name}")),
        Not(why) if why.len() > 20 => Ok(()),
        Not(why) => Err(format!("{why:?} is no reason")),
    }
}

#[test]
fn every_row_of_the_fault_matrix_and_every_advisory_has_its_test_or_a_reason() {
    let numbers: Vec<u32> = ROWS.iter().map(|(row, ..)| *row).collect();
    assert_eq!(numbers, (25..=60).collect::<Vec<_>>());
    let rows = ROWS
        .iter()
        .flat_map(|(row, what, shown)| shown.iter().map(move |s| (format!("{row} {what}"), s)));
    let advisories = ADVISORIES
        .iter()
        .map(|(id, what, shown)| (format!("{id} {what}"), shown));
    let wrong: Vec<String> = rows
        .chain(advisories)
        .filter_map(|(what, shown)| is_shown(shown).err().map(|why| format!("{what}: {why}")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let not = ROWS
        .iter()
        .filter(|(_, _, shown)| shown.iter().all(|s| matches!(s, Not(_))))
        .count();
    println!(
        "{} rows, {not} of them by a reason alone; {} advisories",
        ROWS.len(),
        ADVISORIES.len()
    );
}
