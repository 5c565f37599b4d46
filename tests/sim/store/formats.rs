//! What an earlier format wrote is read through the store, and what this build adds stands behind.

use stepwell_core::entry::CancelRequested;
use stepwell_core::run::fold;
use stepwell_core::{Entry, EntryBody, RunId, Seq, Timestamp};
use stepwell_store::{AgendaChange, Append, Commit, Seen, WaitChange, keys};
use stepwell_testkit::wait::peek;

use super::life::small_segments;
use super::refusal::opened;
use crate::golden::files::fixtures;

#[test]
fn a_journal_begun_in_format_1_goes_on_in_the_last_format() {
    let (_, table, mut core) = opened(&small_segments());
    let mut started = None;
    for (name, rows) in fixtures(1) {
        if name == "run-started" {
            let row = &rows[0];
            started = keys::parse_journal(&row.key);
            table.tamper(&row.key, row.value.clone());
        }
    }
    let (run, _): (RunId, Seq) = started.unwrap();
    let entry = Entry {
        seq: Seq(1),
        at: Timestamp::from_ms(1_763_800_000_001),
        body: EntryBody::CancelRequested(CancelRequested {
            reason: "customer left".to_owned(),
        }),
    };
    let commit = Commit {
        fence: core.fence(),
        seen: Seen::default(),
        appends: vec![Append {
            run,
            expected: Seq(1),
            entries: vec![entry.clone()],
            head: None,
            agenda: AgendaChange::default(),
            waits: WaitChange::default(),
        }],
        changes: Vec::new(),
    };
    let mut ticket = core.commit(&commit);
    core.drain();
    assert_eq!(peek(&mut ticket), Some(Ok(())));
    let journal = core.journal(run).unwrap();
    assert_eq!(journal.len(), 2);
    assert_eq!(journal[1], entry);
    let state = fold(run, &journal).unwrap();
    assert_eq!(state.started.input_bytes, 70_000);
    assert!(state.cancel.is_some() && state.listening.is_empty());
}
