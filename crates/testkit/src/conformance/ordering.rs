//! The order of commits, and who hears of them when.

use std::sync::Barrier;

use stepwell_core::Fence;
use stepwell_store::{Durability, Store, Ticket};

use super::{World, committed, fresh, journal};
use crate::scripts::{Script, event_id, run_id};
use crate::wait::wait;

/// Commits made without waiting take their places in that order.
pub fn commits_are_ordered_as_they_were_made<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut scripts: Vec<Script> = (0..4).map(Script::new).collect();
    let mut tickets: Vec<Ticket> = Vec::new();
    for script in &mut scripts {
        let seen = fresh(&store, 99);
        tickets.push(store.commit(script.start(fence, seen)));
    }
    for round in 0..25 {
        for script in &mut scripts {
            tickets.push(store.commit(script.step(fence, 10 + round)));
        }
    }
    for ticket in tickets {
        assert_eq!(wait(ticket), Ok(()));
    }
    for script in &scripts {
        assert_eq!(journal(&store, script.run()), script.entries());
    }
    store.close().expect("close the store");
}

/// After one refusal of a run, everything ordered behind it for that run is refused too.
pub fn a_refusal_refuses_all_that_rests_on_it<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    let mut ahead = script.clone();
    let mut missing = ahead.step(fence, 10);
    missing.fence = Fence(fence.0 + 5);
    let tickets = [missing, ahead.step(fence, 10), ahead.complete(fence)];
    let tickets = tickets.map(|commit| store.commit(commit));
    for ticket in tickets {
        let told = wait(ticket).expect_err("refused commit");
        assert_eq!(told.durability(), Durability::No);
    }
    assert_eq!(journal(&store, script.run()), script.entries());
    committed(&store, script.step(fence, 10));
    store.close().expect("close the store");
}

/// Nobody has to hear what became of a commit.
pub fn a_dropped_ticket_changes_nothing<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    let seen = fresh(&store, 1);
    drop(store.commit(script.start(fence, seen)));
    drop(store.commit(script.step(fence, 10)));
    committed(&store, script.complete(fence));
    assert_eq!(journal(&store, script.run()), script.entries());
    store.close().expect("close the store");
}

/// Of many writers of the same event id exactly one is let in, and none waits for ever.
pub fn concurrent_writers_of_one_event_let_one_in<W: World>(world: &mut W) {
    const WRITERS: usize = 4;
    const EVENTS: u64 = 25;
    let store = world.open();
    let fence = store.fence();
    let together = Barrier::new(WRITERS);
    let write = || {
        together.wait();
        let mut let_in = 0;
        for nth in 0..EVENTS {
            let (row, seen) = store.look_event(&event_id(nth)).expect("look");
            if row.is_some() {
                continue;
            }
            let ticket = store.commit(Script::new(nth).start(fence, seen));
            match wait(ticket) {
                Ok(()) => let_in += 1,
                Err(told) => assert!(told.retry(), "{told:?}"),
            }
            assert!(store.event(&event_id(nth)).expect("read").is_some());
        }
        let_in
    };
    let let_in: u64 = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|_| scope.spawn(write)).collect();
        writers
            .into_iter()
            .map(|writer| writer.join().expect("writer"))
            .sum()
    });
    assert_eq!(let_in, EVENTS);
    for nth in 0..EVENTS {
        assert_eq!(journal(&store, run_id(nth)).len(), 1);
    }
    store.close().expect("close the store");
}

/// Commits made durable are counted, and nothing stays queued.
pub fn pressure_counts_what_was_made_durable<W: World>(world: &mut W) {
    let store = world.open();
    let fence = store.fence();
    let mut script = Script::new(1);
    committed(&store, script.start(fence, fresh(&store, 1)));
    committed(&store, script.step(fence, 1_000));
    let pressure = store.pressure();
    assert_eq!(pressure.commits, 2);
    assert!(pressure.syncs >= 1 && pressure.syncs <= 2, "{pressure:?}");
    assert!(pressure.log_bytes > 1_000, "{pressure:?}");
    store.close().expect("close the store");
    assert_eq!(store.pressure().queued_bytes, 0);
}
