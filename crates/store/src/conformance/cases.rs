//! The one list of the cases. A case that is missing here is reported as dead code.

/// Hands every case, by module, to the macro `$then`.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_cases {
    ($($then:ident)::+, $argument:tt) => {
        $($then)::+! { $argument
            submit {
                a_stored_task_reads_back_as_it_was_submitted,
                a_thousand_tasks_are_stored_by_one_call_and_answered_in_order,
                a_task_may_name_the_instant_at_which_it_runs,
                an_instant_that_has_passed_means_now,
                a_call_about_nothing_changes_nothing,
                unknown_tasks_are_left_out_of_an_answer,
            }
            idempotency {
                the_same_key_and_request_give_the_same_task,
                the_same_key_with_another_request_is_a_conflict_and_stores_nothing,
                one_key_twice_in_one_call_gives_one_task,
                two_requests_under_one_key_in_one_call_conflict,
                all_or_none_stores_nothing_when_one_key_conflicts,
                each_stores_the_rest_when_one_key_conflicts,
                a_batch_sent_again_is_answered_with_the_same_tasks_in_order,
                many_at_once_with_one_key_give_one_task,
                batches_with_the_same_keys_in_another_order_do_not_block_each_other,
            }
            audit {
                a_note_is_written_with_the_task_and_reads_back_as_it_was,
                what_was_not_done_is_not_noted,
                a_cancel_of_a_held_task_is_noted_with_its_queue,
                a_task_has_its_own_notes_those_of_its_batch_and_of_its_retries,
                notes_are_read_a_page_at_a_time,
                notes_outlive_their_task_and_go_by_their_own_retention,
            }
            list {
                tasks_are_listed_newest_first,
                tasks_are_listed_by_state,
                tasks_are_listed_by_queue_and_labels,
                tasks_are_listed_by_the_instant_of_their_acceptance,
                a_cursor_stays_right_while_tasks_come_and_change,
                a_cursor_goes_with_every_filter,
                only_tasks_of_the_queues_that_may_be_seen_are_listed_page_by_page,
                a_listed_task_is_as_fresh_as_one_read_by_id,
            }
            due {
                a_task_for_later_is_not_claimed_now,
                no_task_is_claimed_before_it_is_due,
                next_due_tells_when_the_next_task_is_due,
                next_due_looks_past_tasks_that_are_due_or_held,
                whoever_sleeps_until_next_due_finds_the_task,
            }
            claim {
                a_claim_begins_an_attempt,
                the_highest_priority_goes_first_whatever_its_queue,
                of_equal_priority_the_longest_due_goes_first,
                the_nth_slot_gets_the_nth_task,
                no_more_tasks_are_claimed_than_there_are_slots,
                only_tasks_of_the_queues_asked_for_are_claimed,
                a_task_goes_only_to_labels_that_meet_its_requirements,
                a_requirement_may_hold_any_character,
                a_session_of_another_coordinator_gets_nothing,
                an_ended_session_gets_nothing,
                a_slot_of_an_earlier_registration_gets_nothing,
            }
            trace {
                a_first_attempt_soon_after_its_submission_is_in_the_same_trace,
                each_retry_has_a_trace_of_its_own_with_the_same_sampling,
                each_attempt_keeps_its_trace_and_span,
                an_attempt_keeps_how_its_trace_belongs_to_the_submission,
                a_policy_makes_one_mode_the_rule,
                what_a_report_changed_is_told_as_it_is_stored,
                a_lost_attempt_is_told_with_its_trace,
                tasks_claimed_together_have_spans_of_their_own,
            }
            release {
                a_released_attempt_gives_its_number_back_and_keeps_the_epoch,
                only_a_dispatched_attempt_of_its_own_epoch_is_released,
                a_report_of_a_released_attempt_is_stale,
                a_released_retry_keeps_the_attempts_before_it,
                a_cancelled_attempt_that_is_released_does_not_run_again,
            }
            report {
                a_report_of_an_attempt_that_another_session_holds_changes_nothing,
                a_started_attempt_is_running,
                a_success_completes_the_task,
                an_attempt_may_end_before_its_start_was_reported,
                an_attempt_that_never_started_has_no_start,
                a_workers_durations_are_anchored_to_the_stores_clock,
                instants_stay_in_order_whatever_a_worker_says,
                an_outcome_reads_back_as_it_was_reported,
                every_cause_reads_back_and_fails_the_task,
                an_error_text_with_a_nul_character_does_not_hold_up_its_batch,
            }
            receipts {
                a_report_that_is_sent_again_is_a_duplicate,
                a_failure_sent_again_after_a_retry_was_scheduled_is_a_duplicate,
                a_report_of_an_older_epoch_is_stale,
                a_report_of_a_lost_attempt_is_stale,
                a_report_of_what_never_was_is_stale,
                each_report_of_a_batch_is_answered_by_itself,
                one_attempt_may_start_and_end_in_one_batch,
                one_report_twice_in_one_batch_is_recorded_once,
                no_report_changes_a_task_that_has_ended,
            }
            retry {
                a_failure_is_tried_again_until_the_attempts_are_used_up,
                a_retry_may_succeed,
                a_retry_waits_for_its_backoff,
                the_backoff_doubles_up_to_its_bound,
                a_short_backoff_passes_and_no_sooner,
                a_final_failure_is_not_tried_again,
                a_timeout_uses_up_an_attempt,
                an_interrupted_attempt_is_tried_again_at_once_and_uses_up_none,
                an_interrupted_attempt_does_not_run_twice_when_that_is_forbidden,
            }
            attempts {
                every_attempt_is_listed_once_oldest_first,
                a_lost_attempt_is_listed_with_its_cause,
                output_is_kept_for_each_attempt,
                output_is_kept_byte_for_byte,
                an_attempt_that_printed_nothing_has_an_empty_output_once_it_ended,
                a_stale_report_leaves_no_output,
            }
            cancel {
                a_waiting_task_is_cancelled_at_once,
                a_task_that_waits_for_its_retry_is_cancelled_at_once,
                a_held_task_is_marked_and_its_worker_decides,
                a_task_that_has_ended_is_not_cancelled,
                a_task_that_never_was_is_not_cancelled,
                a_mark_is_told_with_each_renewal_until_the_attempt_ends,
                a_mark_is_told_to_a_coordinator_that_heard_no_heartbeat,
                a_mark_is_told_at_registration,
                a_cancel_beats_a_failure_and_a_retry,
                a_cancel_loses_to_a_success,
                a_cancelled_attempt_whose_worker_is_lost_ends_cancelled,
            }
            lost {
                a_lost_attempt_is_tried_again_and_uses_up_none,
                a_lost_attempt_is_not_run_twice_when_that_is_forbidden,
                a_task_that_loses_three_workers_is_poison,
                who_loses_a_third_worker_together_with_another_is_tried_again,
                a_session_that_left_loses_nothing_twice,
            }
            expiry {
                a_task_that_waits_past_its_deadline_expires,
                a_deadline_is_kept_when_it_comes,
                a_task_past_its_deadline_is_not_claimed_even_before_a_sweep,
                a_held_task_does_not_expire,
                a_sweep_expires_no_more_than_its_limit,
            }
            register {
                a_first_registration_opens_a_session,
                the_same_process_continues_its_session,
                what_a_worker_says_of_itself_is_as_fresh_as_its_last_registration,
                a_process_keeps_what_it_holds_and_gives_back_what_it_never_got,
                a_restarted_worker_keeps_its_results_and_loses_the_rest,
                one_worker_id_on_two_hosts_is_a_conflict_while_the_first_lives,
                a_worker_may_move_to_another_host_once_its_lease_ran_out,
                what_is_not_this_workers_is_to_be_killed,
                a_worker_moves_to_another_coordinator_with_its_attempts,
                a_lost_worker_that_comes_back_begins_anew,
                a_cancelled_attempt_that_its_worker_does_not_hold_is_cancelled,
                an_overtaken_registration_changes_nothing,
                a_copy_of_a_registration_gives_nothing_back,
            }
            lease {
                only_live_sessions_of_the_coordinator_are_renewed,
                a_session_that_is_not_renewed_is_lost_with_what_it_holds,
                a_session_is_not_lost_before_its_lease_runs_out,
                nobody_is_lost_after_a_pause_of_the_sweeps,
                a_renewal_extends_the_lease,
                a_registration_renews_the_lease,
                an_old_heartbeat_does_not_extend_the_lease,
                a_session_that_leaves_gives_back_what_it_never_took_and_loses_what_it_ran,
                a_sweep_takes_no_more_than_its_limit_and_strands_nothing,
            }
            workers {
                a_worker_is_listed_as_it_registered,
                what_a_worker_holds_is_counted,
                a_draining_worker_says_so,
                workers_that_share_an_address_are_noticed,
                a_worker_whose_lease_ran_out_is_lost_before_and_after_the_sweep,
            }
            queues {
                each_queue_is_counted_by_state,
                a_queue_whose_tasks_have_all_ended_is_not_counted,
                lag_is_the_age_of_the_oldest_ready_task,
            }
            explain {
                a_task_is_explained_as_it_reads_with_all_its_attempts,
                those_that_a_claim_takes_first_are_before_a_task,
                nobody_is_before_a_task_that_is_not_due,
                those_before_a_task_are_counted_up_to_a_bound,
                a_waiting_task_is_explained_by_every_open_session_and_those_lost_lately,
                a_held_task_is_explained_by_the_session_that_holds_it,
                a_task_that_has_ended_is_explained_by_whoever_has_its_workers_name,
            }
            hints {
                a_submission_is_hinted,
                a_retry_and_a_release_are_hinted,
                a_cancel_of_a_held_task_is_hinted,
                the_end_of_a_task_is_hinted,
                everybody_who_waits_is_hinted,
            }
            prune {
                an_ended_task_goes_with_its_attempts_and_output,
                every_terminal_state_is_pruned,
                a_task_that_has_not_ended_is_never_pruned,
                pruning_takes_no_more_than_its_limit,
                sessions_are_pruned_after_their_end,
                a_key_outlives_the_pruning_of_its_task,
            }
            schema {
                a_migrated_database_is_current,
                migrating_again_from_many_at_once_changes_nothing,
            }
            dropped {
                a_dropped_call_leaves_the_store_usable_and_nothing_half_done,
            }
            races_tasks {
                claimers_at_once_never_share_a_task,
                a_claim_and_a_cancel_never_both_win,
                a_release_and_a_start_never_both_win,
            }
            races_reports {
                one_result_sent_by_many_at_once_is_recorded_once,
                batches_of_the_same_results_in_another_order_do_not_block_each_other,
                a_cancel_and_a_result_agree_on_the_end,
                a_result_and_the_loss_of_its_worker_never_both_count,
            }
            rules {
                every_step_in_every_state_does_what_the_rules_say,
            }
            races_sessions {
                sweepers_at_once_lose_everything_once,
                a_result_and_a_sweep_never_both_count,
                a_registration_and_a_sweep_leave_the_worker_a_live_session,
                what_is_claimed_beside_a_registration_is_given_back_by_it,
                of_the_copies_of_a_registration_one_is_answered,
                of_two_hosts_with_one_worker_id_one_is_refused,
            }
        }
    };
}
