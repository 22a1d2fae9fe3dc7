//! The contract of every transport: one suite, run over SSH to a real server and on this machine.

#[cfg(test)]
mod bastion;
#[cfg(test)]
mod becoming;
#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod dropped;
#[cfg(test)]
mod lacking;
#[cfg(test)]
mod lock;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod room;
#[cfg(test)]
mod server;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod together;
#[cfg(test)]
mod trips;
#[cfg(test)]
mod users;

/// One suite for each way to reach a host and each shell that may be there.
macro_rules! contract {
    ($($promise:ident),* $(,)?) => {
        contract!(@ bash "bash" $($promise)*);
        contract!(@ busybox "busybox sh" $($promise)*);
        contract!(@ mksh "mksh" $($promise)*);
        contract!(@ yash "yash" $($promise)*);
        contract!(@ ksh93 "ksh93" $($promise)*);
        mod local {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { crate::contract::$promise(crate::room::Room::local()).await; })*
        }
        mod ssh {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { crate::contract::$promise(crate::room::Room::ssh()).await; })*
        }
    };
    (@ $name:ident $shell:literal $($promise:ident)*) => {
        mod $name {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { crate::contract::$promise(crate::room::Room::shell($shell)).await; })*
        }
    };
}

contract!(
    exit_codes_come_back_exact,
    the_two_streams_stay_apart_and_exact,
    environment_and_standard_input_arrive_whole_and_on_no_command_line,
    steps_that_were_stopped_leave_room_for_the_next,
    what_was_delivered_for_a_step_has_no_name_once_it_has_begun,
    much_output_goes_with_the_step_after_its_settling,
    arguments_and_scripts_arrive_as_they_were,
    five_megabytes_of_output_come_whole,
    output_of_a_long_step_comes_while_it_runs,
    past_its_limit_a_command_that_ignores_term_is_proven_stopped,
    a_cancelled_command_is_proven_stopped,
    a_key_starts_at_most_once,
    a_probe_tells_how_an_attempt_stands,
    an_empty_claim_is_fenced_before_it_counts_as_never,
    a_directory_that_is_a_link_is_not_used,
    after_a_cut_the_end_and_the_whole_output_are_known,
    a_lost_directory_never_proves_that_a_step_did_not_begin,
    a_file_arrives_whole_with_its_mode_or_not_at_all,
    a_lock_is_held_by_one_run_and_given_back_by_it_alone,
    after_leaving_nothing_of_ours_is_left,
    many_commands_run_beside_each_other,
    what_changes_nothing_is_run_by_the_lane_itself,
    what_a_step_left_running_says_nothing_in_the_next_one,
    past_its_limit_a_loop_of_the_shell_itself_is_proven_stopped,
    a_read_only_step_without_a_place_for_its_output_is_not_run,
    reads_sent_together_run_in_order_until_one_fails,
    behind_a_read_that_was_stopped_none_begins,
    reads_that_are_held_do_not_begin,
    when_the_link_is_cut_no_further_read_begins,
    what_streams_comes_whole_and_lies_nowhere,
    a_command_that_streams_has_its_end_its_words_and_its_environment,
    a_command_that_streams_is_proven_stopped,
);
