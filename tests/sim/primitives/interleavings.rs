//! A thousand interleavings, each with a crash somewhere: the same addresses, the same winner.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Error, Event, Registry, Step};
use stepwell_core::run::Outcome;
use stepwell_core::{EntryBody, Payload, RunId, StepAddress};
use stepwell_engine::Engine;
use stepwell_testkit::CommitFault;
use stepwell_testkit::lives::{Life, live};

use super::everywhere::{ask, event};
use crate::engine::world::{engine_over, journal, options, paused, shop};

#[derive(Event, Serialize, Deserialize)]
#[event("mix/stop", key = "id")]
struct Stop {
    id: String,
}

/// Numbers drawn from a seed: the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Branches of the map: a few, or as many as `STEPWELL_MAP_ITEMS` says, for a night.
fn items() -> usize {
    let said = std::env::var("STEPWELL_MAP_ITEMS");
    said.map_or(20, |text| text.parse().unwrap())
}

/// A race between a sleep and an event, a join of branches of several steps, and a map. What comes
/// out tells in which order code saw results.
fn mix(seed: u64) -> Registry {
    shop(async move |step: &mut Step| {
        let delays = RefCell::new(Dice(seed));
        let delay = || Duration::from_millis(1 + delays.borrow_mut().below(40));
        let (limit, stop) = (delay() * 100, "x");
        let won = step
            .race(
                "first",
                (
                    async |line: &mut Step| {
                        line.sleep("limit", limit).await?;
                        Ok(1_u32)
                    },
                    async |line: &mut Step| {
                        line.wait_for::<Stop>("stop", stop).await?;
                        Ok(2_u32)
                    },
                ),
            )
            .await?;
        let seen = RefCell::new(0_u32);
        let see = |number: u32| {
            let mut seen = seen.borrow_mut();
            *seen = seen.wrapping_mul(31).wrapping_add(number);
        };
        let items = items();
        let pauses: Vec<Duration> = (0..12 + items).map(|_| delay()).collect();
        let (pauses, see) = (&pauses, &see);
        let branch = move |number: usize| {
            async move |line: &mut Step| {
                for round in 0..4_usize {
                    let pause = pauses[number * 4 + round];
                    if (number + round).is_multiple_of(3) {
                        line.sleep("nap", pause * 50).await?;
                    } else {
                        let body = async |_: &Attempt| {
                            tokio::time::sleep(pause).await;
                            Ok(())
                        };
                        line.run("work", body).await?;
                    }
                    see(number as u32 + 1);
                }
                Ok::<_, Error>(())
            }
        };
        let all = step.join("all", (branch(0), branch(1), branch(2))).await?;
        let _ = (all.0?, all.1?, all.2?);
        let body = async |line: &mut Step, item: usize| {
            let pause = pauses[12 + item];
            let work = async |_: &Attempt| {
                tokio::time::sleep(pause).await;
                Ok(())
            };
            line.run("item", work).await?;
            see(100 + item as u32);
            Ok::<_, Error>(())
        };
        for ended in step.map("items", 0..items, 6, body).await? {
            ended?;
        }
        step.sleep("rest", Duration::from_secs(60)).await?;
        let seen = *seen.borrow();
        Ok(won + 10 * (seen % 100_000_000))
    })
    .event::<Stop>()
}

async fn act(
    engine: &Engine,
    stop_after: Duration,
) -> Result<(RunId, Outcome), stepwell::SendError> {
    let run = ask(engine).await?;
    tokio::time::sleep(stop_after).await;
    let stop = event("stop", "mix/stop", "{\"id\":\"x\"}");
    engine.publish(vec![stop]).await?;
    Ok((run, engine.outcome(run).await?))
}

/// What the journal says code must have seen: the results in their order, and the winner.
async fn by_the_journal(engine: &Engine, run: RunId) -> (BTreeSet<StepAddress>, u32, u32) {
    let (mut addresses, mut won, mut seen) = (BTreeSet::new(), 0, 0_u32);
    let mut see = |number: u32| seen = seen.wrapping_mul(31).wrapping_add(number);
    for entry in journal(engine, run).await {
        match entry.body {
            EntryBody::StepSucceeded(done) => {
                let branch = done.step.branch.to_string();
                if let Some(number) = branch.strip_prefix("all/") {
                    see(number.parse::<u32>().unwrap() + 1);
                } else if let Some(item) = branch.strip_prefix("items/") {
                    see(item.parse::<u32>().unwrap() + 100);
                }
                assert!(addresses.insert(done.step), "recorded twice");
            }
            EntryBody::BranchEnded(ended) if ended.value.is_some() => {
                assert_eq!(won, 0, "two winners");
                won = ended.branch + 1;
            }
            _ => {}
        }
    }
    (addresses, won, seen)
}

#[test]
fn a_thousand_interleavings_with_crashes_keep_addresses_winner_and_order() {
    paused(async {
        let mut winners = [0, 0];
        for seed in 0..1_000 {
            let mut dice = Dice(seed ^ 0xabcd);
            let stop_after = Duration::from_millis(dice.below(4_000));
            let fault =
                [CommitFault::Lose, CommitFault::KeepUntold][dice.below(2) as usize].clone();
            let strike = (1 + dice.below(90 + items() as u64), fault);
            let lived = live(vec![strike], async |store, _memory| {
                let engine = engine_over(store, mix(seed), options()).await;
                let ended = act(&engine, stop_after).await;
                let died = ended.is_err() || engine.health().failure.is_some();
                let mut came_to = None;
                if let (false, Ok((run, outcome))) = (died, ended) {
                    came_to = Some((outcome, by_the_journal(&engine, run).await));
                }
                engine.drain(Duration::ZERO).await;
                Life { came_to, died }
            });
            let ended = lived.await.came_to;
            let (outcome, (addresses, won, seen)) = ended.expect("an engine without a fault died");
            let expected = won + 10 * (seen % 100_000_000);
            assert_eq!(
                outcome,
                Outcome::Completed(Payload::from_json(expected.to_string())),
                "seed {seed}"
            );
            // The sleep of the race is among them only if it won.
            let steps = addresses
                .iter()
                .filter(|step| !step.branch.starts_with("first"));
            assert_eq!(
                steps.count(),
                12 + items() + 1,
                "seed {seed}: {addresses:?}"
            );
            winners[won as usize - 1] += 1;
        }
        assert!(winners.iter().all(|times| *times > 100), "{winners:?}");
    });
}
