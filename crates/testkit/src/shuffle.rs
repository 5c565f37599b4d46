//! [`shuffle`]: a scenario with its arrivals in many orders, some of them more than once.

use std::time::Duration;

use crate::crash::{calm_pass, compare};
use crate::dice::Dice;
use crate::pass::{Delivery, Plan, pass};
use crate::report::{Broken, Survived};
use crate::scenario::Scenario;

/// Up to so many arrivals every order is tried; of more, orders are drawn.
const ALL_ORDERS_UP_TO: usize = 4;

/// Passes of a shuffle that sets no other number, beyond those for every order.
const PASSES: u64 = 48;

/// Plays `scenario` with its arrivals in many orders, with and without time between them, and some
/// of them twice: every order of up to four, drawn ones of more. [`Shuffle`] has settings.
///
/// Every pass must come to the same outcomes as the calm order and keep the scenario's invariants.
///
/// # Errors
/// The first pass that does not: its seed and order, what broke, and the journals in words.
pub fn shuffle<O: 'static>(scenario: &Scenario<O>) -> Result<Survived, Broken> {
    Shuffle::of(scenario).check()
}

/// A shuffle with settings.
#[derive(Debug)]
#[must_use = "a shuffle does nothing until it is checked"]
pub struct Shuffle<'a, O> {
    scenario: &'a Scenario<O>,
    passes: Option<u64>,
    only: Option<u64>,
    as_others: bool,
}

impl<'a, O: 'static> Shuffle<'a, O> {
    /// Of the arrivals of `scenario`.
    pub fn of(scenario: &'a Scenario<O>) -> Self {
        Self {
            scenario,
            passes: None,
            only: None,
            as_others: false,
        }
    }

    /// So many passes, each with the next seed.
    pub fn passes(mut self, passes: u64) -> Self {
        self.passes = Some(passes);
        self
    }

    /// The one pass of this seed, as a report names it.
    pub fn only(mut self, seed: u64) -> Self {
        self.only = Some(seed);
        self
    }

    /// What arrives twice comes under a new id the second time, as from a sender who gives none. The
    /// engine cannot know it again and may start a run for each; the runs of the first must still
    /// come to the same, and the invariants hold.
    pub fn duplicates_under_new_ids(mut self) -> Self {
        self.as_others = true;
        self
    }

    /// Plays it; see [`shuffle`].
    ///
    /// # Errors
    /// See [`shuffle`].
    pub fn check(self) -> Result<Survived, Broken> {
        let (calm, writes) = calm_pass(self.scenario)?;
        let orders = orders_of(self.scenario.arrivals.len());
        let passes = self.passes.unwrap_or(orders.max(PASSES));
        let seeds = match self.only {
            Some(seed) => seed..seed.saturating_add(1),
            None => 0..passes,
        };
        let mut made = 1;
        for seed in seeds {
            let deliveries = self.deliveries(seed);
            let order = self.in_words(&deliveries);
            let plan = Plan {
                faults: Vec::new(),
                deliveries,
            };
            let passed = pass(self.scenario, &plan);
            made += 1;
            compare(self.scenario, &calm, passed).map_err(|trouble| {
                let again =
                    format!("again with this order alone: Shuffle::of(&scenario).only({seed})");
                let about = vec![format!("arrivals in the order: {order}"), again];
                Broken::new(format!("seed {seed}"), about, trouble)
            })?;
        }
        Ok(Survived {
            writes,
            passes: made,
        })
    }

    /// What arrives when in the pass of `seed`.
    fn deliveries(&self, seed: u64) -> Vec<Delivery> {
        let count = self.scenario.arrivals.len();
        let mut dice = Dice::new(seed);
        let mut order = order_of(count, seed, &mut dice);
        // Each comes again with even odds, somewhere behind its first time.
        for arrival in 0..count {
            if dice.below(2) == 0 {
                let first = order.iter().position(|of| *of == arrival).unwrap_or(0);
                let behind = first + 1 + dice.index(order.len() - first);
                order.insert(behind, arrival);
            }
        }
        let mut seen = vec![0_u32; count];
        let deliveries = order.into_iter().map(|arrival| {
            let times = seen.get_mut(arrival).map_or(0, |times| {
                *times += 1;
                *times
            });
            let suffix = if self.as_others && times > 1 {
                format!("-{times}")
            } else {
                String::new()
            };
            let pauses = [0, 1, 1_000];
            let pause = pauses.get(dice.index(pauses.len())).copied().unwrap_or(0);
            Delivery {
                arrival,
                suffix,
                pause: Duration::from_millis(pause),
            }
        });
        deliveries.collect()
    }

    fn in_words(&self, deliveries: &[Delivery]) -> String {
        let mut seen = Vec::new();
        let words = deliveries.iter().map(|delivery| {
            let again = seen.contains(&delivery.arrival);
            seen.push(delivery.arrival);
            let again = if again { " again" } else { "" };
            match self.scenario.arrivals.get(delivery.arrival) {
                Some(arrival) => format!("{} ({}){again}", arrival.id, arrival.name),
                None => String::new(),
            }
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// How many orders are tried one by one; none when there are too many of them.
fn orders_of(count: usize) -> u64 {
    if count > ALL_ORDERS_UP_TO {
        return 0;
    }
    (1..=count as u64).product()
}

/// The order of `seed`: of few arrivals the seeds count through all of them.
fn order_of(count: usize, seed: u64, dice: &mut Dice) -> Vec<usize> {
    let mut left: Vec<usize> = (0..count).collect();
    let mut order = Vec::with_capacity(count);
    let mut number = seed;
    while !left.is_empty() {
        let at = if count > ALL_ORDERS_UP_TO {
            dice.index(left.len())
        } else {
            let length = left.len() as u64;
            let at = number % length;
            number /= length;
            at as usize
        };
        order.push(left.remove(at));
    }
    order
}

#[cfg(test)]
mod tests;
