//! Bugs planted on purpose: each checker finds its own, and no other does.

use std::collections::BTreeSet;

use stepwell_core::entry::CancelRequested;
use stepwell_core::run::{Next, Outcome, RunState, next};
use stepwell_core::{
    EntryBody, EventId, EventKey, EventOrder, ParentClose, Payload, RunId, Seq, StepKind, Timestamp,
};
use stepwell_store::{InboxRow, RunHead};
use stepwell_testkit::sim_store::Vice;

use super::checkers::{check, names};
use super::life::simulate;
use super::observation::{Cut, Observation, StoredRun};
use super::plan::Plan;
use super::world::{Acknowledged, Answer};

/// Seeds searched for one that has what a bug needs.
const SEEDS: u64 = 600;

/// Spoils an observation; whether it has what that takes.
type Bug = fn(&mut Observation) -> bool;

/// Plants `bug` in the first seed that has what it needs: `checker` finds it, nobody else anything.
fn plant(checker: &str, bug: Bug) {
    for seed in 0..SEEDS {
        let mut observation = simulate(Plan::draw(seed), false);
        assert_eq!(check(&observation), [], "seed {seed} is not clean");
        if bug(&mut observation) {
            let found = check(&observation);
            let by: BTreeSet<_> = found.iter().map(|found| found.checker).collect();
            assert_eq!(by, BTreeSet::from([checker]), "seed {seed}: {found:#?}");
            return;
        }
    }
    panic!("none of {SEEDS} seeds has what this bug needs");
}

macro_rules! planted {
    ($($test:ident: $checker:literal finds $bug:expr;)*) => {
        /// The checkers that have a bug planted for them.
        const PLANTED: &[&str] = &[$($checker),*];

        $(
            #[test]
            fn $test() {
                plant($checker, $bug);
            }
        )*
    };
}

planted! {
    a_result_recorded_twice_is_found: "a result is recorded once" finds twice_recorded;
    a_body_that_runs_over_its_result_is_found: "a recorded body never runs again" finds runs_again;
    an_attempt_made_twice_is_found: "an attempt begins once unless it is cut short" finds tried_twice;
    a_body_ahead_of_the_disk_is_found: "nothing is acted on before it is durable" finds hurried;
    an_answer_without_a_row_is_found: "what is acknowledged is stored" finds answered_early;
    an_event_without_its_run_is_found: "an event has its runs, once" finds run_forgotten;
    a_key_with_two_runs_is_found: "a start key has one run" finds key_taken_twice;
    a_signal_that_is_lost_is_found: "a signal is kept for its run" finds signal_lost;
    an_answer_of_a_fenced_engine_is_found:
        "an engine that is fenced out acknowledges nothing" finds fenced_and_answers;
    a_timer_row_that_is_dropped_is_found: "rows are what the journal says" finds timer_dropped;
    a_wait_row_that_is_left_is_found: "rows are what the journal says" finds wait_left;
    a_request_that_is_left_is_found: "runs that ended leave no rows" finds request_left;
    a_run_that_is_not_driven_is_found: "no run is stuck" finds overslept;
    an_output_of_another_program_is_found: "runs end as their program says" finds other_output;
    a_cancellation_out_of_the_blue_is_found: "only who was asked is cancelled" finds never_asked;
    a_sleep_cut_short_is_found: "no wait ends early" finds woken_early;
    an_event_that_passed_by_is_found: "no event passes by a wait" finds passed_by;
    an_event_older_than_its_run_is_found:
        "an event is taken once, by who was there before it" finds too_old;
    an_undo_that_is_lost_is_found: "a scope undoes once and in reverse" finds undo_lost;
    an_undo_out_of_order_is_found: "a scope undoes once and in reverse" finds undo_reordered;
    a_child_that_outlives_its_parent_is_found:
        "children end with their parent if they are to" finds child_not_told;
    an_abandoned_child_that_is_cancelled_is_found:
        "abandoned children are let be" finds abandoned_and_cancelled;
}

#[test]
fn every_checker_has_a_bug_planted_for_it() {
    let planted: BTreeSet<&str> = PLANTED.iter().copied().collect();
    assert_eq!(planted, names().collect());
}

/// Runs seeds over a store with a vice until somebody notices; who did.
fn noticed(vice: Vice) -> BTreeSet<&'static str> {
    let mut by = BTreeSet::new();
    for seed in 0..40 {
        let mut plan = Plan::draw(seed);
        plan.vice = Some(vice);
        let found = check(&simulate(plan, false));
        by.extend(found.iter().map(|found| found.checker));
    }
    by
}

#[test]
fn a_store_that_answers_early_is_noticed_by_who_rests_on_it() {
    let by = noticed(Vice::AnswersEarly);
    assert!(by.contains("what is acknowledged is stored"), "{by:?}");
    let ahead = "nothing is acted on before it is durable";
    assert!(by.contains(ahead), "{by:?}");
}

#[test]
fn a_store_that_forgets_its_agenda_is_noticed_by_runs_that_stand_still() {
    let by = noticed(Vice::ForgetsAgenda);
    assert!(by.contains("rows are what the journal says"), "{by:?}");
    assert!(by.contains("no run is stuck"), "{by:?}");
}

#[test]
fn a_store_that_forgets_requests_is_noticed_by_clients_and_runs() {
    let by = noticed(Vice::ForgetsRequests);
    assert!(by.contains("what is acknowledged is stored"), "{by:?}");
    assert!(by.contains("no run is stuck"), "{by:?}");
}

#[test]
fn a_store_that_forgets_the_runs_of_events_is_noticed_by_their_count() {
    let by = noticed(Vice::ForgetsRunsOfEvents);
    assert!(by.contains("an event has its runs, once"), "{by:?}");
}

/// The first run of `cut` that `pick` takes.
fn first<'c, T>(
    cut: &'c Cut,
    pick: impl Fn(&RunId, &'c StoredRun, &'c RunState) -> Option<T>,
) -> Option<T> {
    cut.states()
        .find_map(|(run, stored, state)| pick(run, stored, state))
}

fn twice_recorded(observation: &mut Observation) -> bool {
    for stored in observation.last.runs.values_mut() {
        let again = stored.journal.iter().find(|entry| match &entry.body {
            EntryBody::StepSucceeded(fields) => fields.kind == StepKind::Run,
            _ => false,
        });
        if let Some(again) = again.cloned() {
            stored.journal.push(again);
            return true;
        }
    }
    false
}

fn runs_again(observation: &mut Observation) -> bool {
    let Some(mut again) = observation
        .begun
        .iter()
        .find(|begun| !begun.fenced)
        .cloned()
    else {
        return false;
    };
    again.attempt += 100;
    again.recorded = true;
    observation.begun.push(again);
    true
}

fn tried_twice(observation: &mut Observation) -> bool {
    let calm = |begun: &&super::world::Begun| !begun.fenced && !begun.shaken;
    let Some(mut again) = observation.begun.iter().find(calm).cloned() else {
        return false;
    };
    again.attempt += 100;
    observation.begun.extend([again.clone(), again]);
    true
}

fn hurried(observation: &mut Observation) -> bool {
    let Some(begun) = observation.begun.iter_mut().find(|begun| !begun.fenced) else {
        return false;
    };
    begun.not_durable.push("the step before".to_owned());
    true
}

fn answered_early(observation: &mut Observation) -> bool {
    let Some(answer) = observation.answers.first_mut() else {
        return false;
    };
    answer.stored = false;
    true
}

fn run_forgotten(observation: &mut Observation) -> bool {
    let mut rows = observation.last.events.values_mut();
    let Some(row) = rows.find(|row| row.id.as_str().starts_with("go-")) else {
        return false;
    };
    row.runs.clear();
    true
}

fn key_taken_twice(observation: &mut Observation) -> bool {
    let starts = observation
        .answers
        .iter()
        .find_map(|answer| match &answer.what {
            Acknowledged::Start(event, run) => Some((event.clone(), *run)),
            _ => None,
        });
    let Some((event, taken)) = starts else {
        return false;
    };
    let mut runs = observation.last.runs.keys();
    let Some(other) = runs.find(|run| **run != taken) else {
        return false;
    };
    let what = Acknowledged::Start(event, *other);
    observation.answers.push(Answer { what, stored: true });
    true
}

fn signal_lost(observation: &mut Observation) -> bool {
    for cut in &mut observation.at_rest {
        let answers = observation.answers.iter().take(cut.answered);
        for answer in answers {
            let Acknowledged::Signal(run, _) = &answer.what else {
                continue;
            };
            let Some(stored) = cut.runs.get_mut(run) else {
                continue;
            };
            let before = stored.journal.len();
            stored
                .journal
                .retain(|entry| !matches!(entry.body, EntryBody::SignalReceived(_)));
            if stored.head.ended_at.is_none() && stored.journal.len() < before {
                return true;
            }
        }
    }
    false
}

fn fenced_and_answers(observation: &mut Observation) -> bool {
    observation.fenced_answers.push("probe-2".to_owned());
    true
}

fn timer_dropped(observation: &mut Observation) -> bool {
    let mut runs = observation
        .cuts
        .iter_mut()
        .flat_map(|cut| cut.runs.values_mut());
    let due = |stored: &&mut StoredRun| stored.agenda.iter().any(|at| *at > Timestamp::ZERO);
    let Some(stored) = runs.find(due) else {
        return false;
    };
    stored.agenda.clear();
    true
}

fn wait_left(observation: &mut Observation) -> bool {
    let Some(stored) = observation.last.runs.values_mut().next() else {
        return false;
    };
    stored.waits.push(EventKey::of("sim/fact", "key-0"));
    true
}

fn request_left(observation: &mut Observation) -> bool {
    let Some(stored) = observation.last.runs.values_mut().next() else {
        return false;
    };
    stored.inbox.push(InboxRow::Resume);
    true
}

fn overslept(observation: &mut Observation) -> bool {
    let sleeps = |cut: &&mut Cut| {
        let wakes = |_: &RunId, _: &_, state: &RunState| match next(state, cut.at) {
            Next::WakeAt(_) => Some(()),
            _ => None,
        };
        first(cut, wakes).is_some()
    };
    let Some(cut) = observation.at_rest.iter_mut().find(sleeps) else {
        return false;
    };
    cut.at = cut.at.after(std::time::Duration::from_secs(3_650 * 86_400));
    true
}

fn other_output(observation: &mut Observation) -> bool {
    for stored in observation.last.runs.values_mut() {
        if let Ok(state) = &mut stored.state
            && let Some(Outcome::Completed(output)) = &mut state.outcome
        {
            *output = Payload::from_json("\"of another\"");
            return true;
        }
    }
    false
}

fn never_asked(observation: &mut Observation) -> bool {
    let by_client = first(&observation.last, |run, _, state| {
        let asked = observation.asked_to_end.contains(run);
        (asked && state.outcome == Some(Outcome::Cancelled)).then_some(*run)
    });
    let Some(run) = by_client else { return false };
    observation.asked_to_end.remove(&run)
}

fn woken_early(observation: &mut Observation) -> bool {
    let journals = observation.last.runs.values_mut();
    let mut entries = journals.flat_map(|stored| stored.journal.iter_mut());
    let slept = entries.find(|entry| match &entry.body {
        EntryBody::StepSucceeded(fields) => fields.kind == StepKind::Sleep,
        _ => false,
    });
    let Some(entry) = slept else { return false };
    entry.at = Timestamp::ZERO;
    true
}

fn passed_by(observation: &mut Observation) -> bool {
    for cut in &mut observation.at_rest {
        let awaited = first(cut, |_, _, state| state.listening.keys().next().copied());
        let Some(rows) = awaited.and_then(|key| cut.facts.get_mut(&key)) else {
            continue;
        };
        let order = EventOrder {
            opening: u64::MAX,
            number: 1,
        };
        rows.push((order, EventId::new("unseen")));
        return true;
    }
    false
}

fn too_old(observation: &mut Observation) -> bool {
    let taken = first(&observation.last, |_, stored, _| {
        let mut entries = stored.journal.iter();
        entries.find_map(|entry| match &entry.body {
            EntryBody::EventReceived(fields) => Some(fields.event.clone()),
            _ => None,
        })
    });
    let mut rows = observation.last.facts.values_mut().flatten();
    let Some((order, _)) = rows.find(|(_, event)| Some(event) == taken.as_ref()) else {
        return false;
    };
    *order = EventOrder::BEGINNING;
    true
}

fn undo_lost(observation: &mut Observation) -> bool {
    for stored in observation.last.runs.values_mut() {
        let before = stored.journal.len();
        stored.journal.retain(|entry| match &entry.body {
            EntryBody::StepSucceeded(fields) => fields.kind != StepKind::Undo,
            _ => true,
        });
        let killed = matches!(
            stored.journal.last().map(|entry| &entry.body),
            Some(EntryBody::RunKilled(_))
        );
        if stored.journal.len() < before && !killed {
            return true;
        }
    }
    false
}

fn undo_reordered(observation: &mut Observation) -> bool {
    for stored in observation.last.runs.values_mut() {
        let mut undone = stored
            .journal
            .iter_mut()
            .filter_map(|entry| match &mut entry.body {
                EntryBody::StepSucceeded(fields) if fields.kind == StepKind::Undo => {
                    Some(&mut fields.step)
                }
                _ => None,
            });
        let (Some(one), Some(other)) = (undone.next(), undone.next()) else {
            continue;
        };
        if one.branch == other.branch {
            std::mem::swap(one, other);
            return true;
        }
    }
    false
}

fn child_not_told(observation: &mut Observation) -> bool {
    for cut in &mut observation.at_rest {
        let found = first(cut, |run, stored, state| {
            let mut started = stored.journal.iter().filter_map(|entry| match &entry.body {
                EntryBody::ChildStarted(fields) => Some(fields),
                _ => None,
            });
            let open = |child: &RunId| {
                let theirs = cut.runs.get(child);
                let open = theirs.filter(|theirs| theirs.head.ended_at.is_none());
                open.is_some_and(|theirs| {
                    let mut entries = theirs.journal.iter();
                    !entries.any(|entry| matches!(entry.body, EntryBody::CancelRequested(_)))
                })
            };
            let left = started.any(|child| child.close == ParentClose::Cancel && open(&child.run));
            (left && state.outcome.is_none()).then_some(*run)
        });
        let parent = found.and_then(|run| cut.runs.get_mut(&run));
        if let Some(parent) = parent {
            end(parent);
            return true;
        }
    }
    false
}

/// The run ended there, and nobody was told.
fn end(stored: &mut StoredRun) {
    let Ok(state) = &mut stored.state else { return };
    state.outcome = Some(Outcome::Cancelled);
    state.listening.clear();
    stored.head = RunHead::of(state);
    stored.agenda.clear();
    stored.waits.clear();
}

fn abandoned_and_cancelled(observation: &mut Observation) -> bool {
    let child = first(&observation.last, |run, stored, _| {
        let mut entries = stored.journal.iter();
        entries.find_map(|entry| match &entry.body {
            EntryBody::ChildStarted(fields) if fields.close == ParentClose::Abandon => {
                Some((*run, fields.run))
            }
            _ => None,
        })
    });
    let Some((parent, child)) = child else {
        return false;
    };
    let Some(theirs) = observation.last.runs.get_mut(&child) else {
        return false;
    };
    let reason = format!("parent run {parent} ended");
    theirs.journal.push(stepwell_core::Entry {
        seq: Seq(theirs.journal.len() as u64),
        at: Timestamp::ZERO,
        body: EntryBody::CancelRequested(CancelRequested { reason }),
    });
    true
}
