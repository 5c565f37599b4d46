//! What lasts from one opening to the next.

use stepwell_core::{Fence, Seq, Timestamp};
use stepwell_store::{CommitError, Seen, Store};

use super::{World, committed, due, fresh, is_out_of_sequence, journal, refused};
use crate::scripts::{Script, event_id};
use crate::wait::wait;

/// A clean close loses nothing, and the next opening has a higher fence.
pub fn a_closed_store_reopens_with_everything<W: World>(world: &mut W) {
    reopens_with_everything(world, |_, store| store.close().expect("close the store"));
}

/// So does the death of the process, for what was acknowledged.
pub fn a_store_that_was_ended_reopens_with_everything_acknowledged<W: World>(world: &mut W) {
    reopens_with_everything(world, |world, store| world.end(store));
}

fn reopens_with_everything<W: World>(world: &mut W, end: impl Fn(&mut W, W::Store)) {
    let mut scripts: Vec<Script> = (0..5).map(Script::new).collect();
    let mut fence = Fence(0);
    for opening in 0..3 {
        let store = world.open();
        assert!(
            store.fence() > fence,
            "fence of opening {opening} did not grow"
        );
        fence = store.fence();
        for script in &mut scripts {
            if opening == 0 {
                let nth = u64::from_be_bytes(script.run().to_bytes()[8..].try_into().expect("8"));
                committed(&store, script.start(fence, fresh(&store, nth)));
            }
            assert_eq!(journal(&store, script.run()), script.entries());
            committed(&store, script.step(fence, 3_000));
            committed(&store, script.step(fence, 10));
        }
        end(world, store);
    }
    let store = world.open();
    for script in &scripts {
        assert_eq!(journal(&store, script.run()), script.entries());
        let event = store.event(&script.event()).expect("read the event");
        assert!(event.is_some());
    }
    let places = scripts.iter().map(|script| (Timestamp::ZERO, script.run()));
    assert_eq!(due(&store), places.collect::<Vec<_>>());
    store.close().expect("close the store");
}

/// Preconditions are checked against what an earlier opening made durable.
pub fn refusals_hold_after_reopening<W: World>(world: &mut W) {
    let store = world.open();
    let old = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(old, fresh(&store, 1)));
    committed(&store, script.step(old, 10));
    store.close().expect("close the store");
    world.end(store);
    let store = world.open();
    let fence = store.fence();
    let mut zombie = script.clone();
    let told = refused(&store, zombie.step(old, 10));
    assert!(matches!(told, CommitError::Fenced { .. }), "{told:?}");
    let mut again = script.clone();
    again.forget_last();
    is_out_of_sequence(&store, again.step(fence, 10), Seq(1));
    let told = refused(&store, Script::new(1).start(fence, Seen::default()));
    assert!(
        matches!(told, CommitError::EventExists { .. } | CommitError::Stale),
        "{told:?}"
    );
    let (row, _) = store.look_event(&event_id(1)).expect("look at the event");
    assert!(row.is_some());
    committed(&store, script.step(fence, 10));
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}

/// Two openings never both write.
pub fn a_second_opening_shuts_one_out<W: World>(world: &mut W) {
    let store = world.open();
    let mut script = Script::new(1);
    committed(&store, script.start(store.fence(), fresh(&store, 1)));
    let Some(second) = world.open_beside(&store) else {
        // The second was refused: the first goes on as if nothing had happened.
        committed(&store, script.step(store.fence(), 10));
        store.close().expect("close the store");
        return;
    };
    let mut zombie = script.clone();
    let told = refused(&store, zombie.step(store.fence(), 10));
    assert!(matches!(told, CommitError::Fenced { .. }), "{told:?}");
    committed(&second, script.step(second.fence(), 10));
    assert_eq!(journal(&second, script.run()), script.entries());
    second.close().expect("close the store");
}

/// After closing, commits are refused as closed, and closing again is nothing.
pub fn a_closed_store_takes_no_commit<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    let seen = fresh(&store, 1);
    let ticket = store.commit(script.start(fence, seen));
    store.close().expect("close the store");
    assert_eq!(wait(ticket), Ok(()));
    let told = refused(&store, script.step(fence, 10));
    assert_eq!(told, CommitError::Closed);
    script.forget_last();
    store.close().expect("close the store again");
    world.end(store);
    let store = world.open();
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}
