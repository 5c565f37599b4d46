//! The conformance suite: what every store must do, as one function for each promise.
//!
//! A [`World`] says how stores of a kind are opened, closed and ended;
//! [`conformance_tests`](crate::conformance_tests) makes a test of every function here.
#![expect(
    clippy::expect_used,
    reason = "a conformance suite fails by panicking, as the tests it becomes do"
)]

mod commits;
mod lists;
mod matching;
mod openings;
mod ordering;

pub use commits::*;
pub use lists::*;
pub use matching::*;
pub use openings::*;
pub use ordering::*;

use stepwell_core::{RunId, Seq, Timestamp};
use stepwell_store::{Commit, CommitError, Seen, Store};

use crate::scripts::event_id;
use crate::wait::wait;

/// One place where a store of some kind lives, over several openings.
pub trait World {
    /// The kind of store.
    type Store: Store;

    /// Opens the store; the opening before was closed or ended.
    fn open(&mut self) -> Self::Store;

    /// Ends an opening without closing it, as the death of its process does.
    fn end(&mut self, store: Self::Store);

    /// Opens a second time while `store` is open: `None` when that is refused.
    fn open_beside(&mut self, store: &Self::Store) -> Option<Self::Store>;
}

/// Makes one test of every promise, in the place where it stands; `$world` makes a fresh world.
#[macro_export]
macro_rules! conformance_tests {
    ($world:expr) => {
        $crate::conformance_tests!(@each $world;
            what_is_committed_is_read_back
            an_absent_thing_reads_as_absent
            a_refused_commit_changes_nothing
            a_foreign_fence_is_refused
            a_run_elsewhere_refuses
            an_event_is_stored_once
            one_commit_cannot_store_an_event_twice
            an_old_look_never_lets_an_event_in_twice
            commits_are_ordered_as_they_were_made
            a_refusal_refuses_all_that_rests_on_it
            a_closed_store_reopens_with_everything
            a_store_that_was_ended_reopens_with_everything_acknowledged
            refusals_hold_after_reopening
            a_second_opening_shuts_one_out
            large_values_come_back_whole
            a_commit_that_is_too_large_is_refused_whole
            the_agenda_is_ordered_and_moves
            a_run_set_aside_keeps_its_journal_and_leaves_the_agenda
            requests_wait_in_order_until_deleted
            runs_are_listed_newest_first
            many_runs_are_listed_page_by_page
            a_closed_store_takes_no_commit
            a_dropped_ticket_changes_nothing
            concurrent_writers_of_one_event_let_one_in
            pressure_counts_what_was_made_durable
            waits_begin_and_end_with_their_entries
            a_refused_commit_leaves_waits_and_deliveries_alone
            a_wait_that_is_over_and_begins_anew_goes_on
            events_are_found_by_key_in_order_page_by_page
            waiting_runs_are_listed_page_by_page
            deliveries_move_on_until_deleted
            a_schedule_is_as_it_was_put_last
            waits_and_deliveries_outlast_a_close
            waits_and_deliveries_outlast_the_process
        );
    };
    (@each $world:expr; $($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::$name(&mut $world);
            }
        )*
    };
}

fn committed<S: Store>(store: &S, commit: Commit) {
    assert_eq!(wait(store.commit(commit)), Ok(()));
}

fn refused<S: Store>(store: &S, commit: Commit) -> CommitError {
    wait(store.commit(commit)).expect_err("commit to be refused")
}

fn is_out_of_sequence<S: Store>(store: &S, commit: Commit, expected: Seq) {
    let run = commit.appends[0].run;
    let told = refused(store, commit);
    assert_eq!(told, CommitError::OutOfSequence { run, expected });
}

/// A fresh look at the `nth` event, which is not stored.
fn fresh<S: Store>(store: &S, nth: u64) -> Seen {
    let (row, seen) = store.look_event(&event_id(nth)).expect("look at an event");
    assert_eq!(row, None);
    seen
}

fn journal<S: Store>(store: &S, run: RunId) -> Vec<stepwell_core::Entry> {
    store.journal(run).expect("read a journal")
}

fn due<S: Store>(store: &S) -> Vec<(Timestamp, RunId)> {
    store
        .agenda(None, Timestamp::from_ms(u64::MAX), usize::MAX)
        .expect("read the agenda")
}
