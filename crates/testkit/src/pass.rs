//! One pass over a scenario: everything made anew, a fault somewhere, the end looked at.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use serde_json::Value;
use stepwell::Error;
use stepwell_core::run::{Outcome, fold};
use stepwell_core::{Entry, EntryBody, RunId};
use stepwell_store::Commit;

use crate::faulty::CommitFault;
use crate::journal::Journal;
use crate::kit::on_a_clock_of_its_own;
use crate::lives::{Life, Lived, live};
use crate::scenario::{End, Ended, Scenario, named_runs};
use crate::world::World;

/// The most journals that are shown of a pass that broke.
const JOURNALS_SHOWN_MAX: usize = 6;

/// What differs between passes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// What strikes at which commit, from 1: of the first engine, of the one behind its crash, …
    pub(crate) faults: Vec<(u64, CommitFault)>,
    /// Which arrivals come when.
    pub(crate) deliveries: Vec<Delivery>,
}

/// One arrival is delivered.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    /// Which, from 0.
    pub(crate) arrival: usize,
    /// What its id is followed by, when it comes again as if it were another.
    pub(crate) suffix: String,
    /// How long nothing else arrives then.
    pub(crate) pause: Duration,
}

/// What a pass came to.
pub(crate) struct Passed {
    /// How it ended, if nothing broke.
    pub(crate) end: Result<End, Trouble>,
    /// The commits that met their faults.
    pub(crate) struck: Vec<Commit>,
    /// Commits of the first engine.
    pub(crate) writes: u64,
}

/// What broke, and what the journals say.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) journals: String,
}

impl Passed {
    /// A pass that did not even begin.
    fn never(trouble: Trouble) -> Self {
        Self {
            end: Err(trouble),
            struck: Vec::new(),
            writes: 0,
        }
    }
}

impl Trouble {
    /// Trouble before there is any journal.
    pub(crate) fn early(what: impl Display) -> Self {
        Self {
            what: what.to_string(),
            journals: String::new(),
        }
    }

    /// Trouble with the journals there are. What says one of them itself says it no more.
    pub(crate) fn over(what: impl Display, journals: &[Journal]) -> Self {
        let what = journals.iter().fold(what.to_string(), |what, journal| {
            what.replace(&journal.to_string(), "")
        });
        let shown = journals.iter().take(JOURNALS_SHOWN_MAX);
        let mut text: String = shown.map(ToString::to_string).collect();
        if let Some(more) = journals.len().checked_sub(JOURNALS_SHOWN_MAX + 1) {
            text.push_str(&format!("and {} more run(s)\n", more + 1));
        }
        Self {
            what: what.trim_end().to_owned(),
            journals: text,
        }
    }
}

/// Arrivals in the order they were given, each once, with time in between.
pub(crate) fn calm_deliveries<O>(scenario: &Scenario<O>) -> Vec<Delivery> {
    let all = 0..scenario.arrivals.len();
    let calm = all.map(|arrival| Delivery {
        arrival,
        suffix: String::new(),
        pause: Duration::from_secs(1),
    });
    calm.collect()
}

/// Plays `scenario` once as planned, on a clock of its own.
pub(crate) fn pass<O: 'static>(scenario: &Scenario<O>, plan: &Plan) -> Passed {
    on_a_clock_of_its_own(&scenario.settings, async |stage| {
        let outside = match (scenario.outside)().await {
            Ok(outside) => outside,
            Err(error) => {
                let what = format!("the world outside cannot be made: {error}");
                return Passed::never(Trouble::early(what));
            }
        };
        let mut settings = scenario.settings.clone();
        settings.fakes = (scenario.fakes)(&outside);
        let lived = live(plan.faults.clone(), async |store, memory| {
            let registry = (scenario.registry)(&outside);
            match World::open(stage, &settings, registry, memory, store).await {
                Ok(world) => play(scenario, plan, &world, &outside).await,
                Err(error) => Life {
                    came_to: Err(Trouble::early(error)),
                    died: true,
                },
            }
        });
        let Lived {
            came_to,
            struck,
            writes,
        } = lived.await;
        let end = match came_to {
            Ok(end) => judge(scenario, &outside, end).await,
            Err(trouble) => Err(trouble),
        };
        Passed {
            end,
            struck,
            writes,
        }
    })
}

/// One life: everything that happens, from its beginning, and what the journals say then.
async fn play<O: 'static>(
    scenario: &Scenario<O>,
    plan: &Plan,
    world: &World,
    outside: &O,
) -> Life<Result<End, Trouble>> {
    let ended = happen(scenario, plan, world, outside).await;
    let died = ended.is_err() || world.engine().health().failure.is_some();
    let came_to = match (world.journals().await, ended) {
        (Ok(journals), Ok(ended)) => Ok(End { ended, journals }),
        (Ok(journals), Err(error)) => Err(Trouble::over(error, &journals)),
        (Err(error), _) => Err(Trouble::early(format_args!(
            "a journal cannot be read: {error}"
        ))),
    };
    if died {
        world.drop_where_it_stands().await;
    } else {
        world.close().await;
    }
    Life { came_to, died }
}

/// Everything that happens, to the end of every run.
async fn happen<O>(
    scenario: &Scenario<O>,
    plan: &Plan,
    world: &World,
    outside: &O,
) -> Result<Vec<Ended>, Error> {
    let mut begun: Vec<(String, RunId)> = Vec::new();
    for act in &scenario.acts {
        begun.extend(act.happen(world, outside).await?);
    }
    for delivery in &plan.deliveries {
        let Some(arrival) = scenario.arrivals.get(delivery.arrival) else {
            continue;
        };
        let id = format!("{}{}", arrival.id, delivery.suffix);
        let event = world
            .send_named(&id, arrival.name, arrival.data.clone())
            .await?;
        for (name, run) in named_runs(world, &event).await? {
            // What the same fact starts under another id has no counterpart in other passes.
            if delivery.suffix.is_empty() && !begun.iter().any(|(_, known)| *known == run) {
                begun.push((name, run));
            }
        }
        world.advance(delivery.pause).await;
    }
    let mut ended = Vec::with_capacity(begun.len());
    for (name, run) in begun {
        let outcome = world.outcome(run).await?;
        ended.push(Ended { name, run, outcome });
    }
    // Runs that others started end as well before anything is judged.
    for journal in world.journals().await? {
        if !journal.status().ended() {
            world.outcome(journal.run()).await?;
        }
    }
    Ok(ended)
}

/// What holds of every pass, and what the scenario says must hold.
async fn judge<O>(scenario: &Scenario<O>, outside: &O, end: End) -> Result<End, Trouble> {
    for journal in &end.journals {
        if let Err(illegal) = fold(journal.run(), journal.entries()) {
            let what = format_args!("journal of run {} does not fold: {illegal}", journal.run());
            return Err(Trouble::over(what, &end.journals));
        }
        if let Some(step) = recorded_twice(journal.entries()) {
            let what = format_args!("run {} recorded step {step} twice", journal.run());
            return Err(Trouble::over(what, &end.journals));
        }
    }
    for (name, holds) in &scenario.invariants {
        if let Err(broken) = holds(outside, &end).await {
            return Err(Trouble::over(
                format_args!("{name}: {broken}"),
                &end.journals,
            ));
        }
    }
    Ok(end)
}

/// A step whose result is recorded a second time without a person having asked for it.
fn recorded_twice(entries: &[Entry]) -> Option<String> {
    let mut recorded = BTreeSet::new();
    for entry in entries {
        let step = match &entry.body {
            EntryBody::StepSucceeded(fields) => &fields.step,
            EntryBody::StepFailed(fields) if fields.retry_at.is_none() => &fields.step,
            EntryBody::Retried(fields) => {
                fields.steps.iter().for_each(|step| {
                    recorded.remove(step);
                });
                continue;
            }
            _ => continue,
        };
        if !recorded.insert(step) {
            return Some(step.to_string());
        }
    }
    None
}

/// How the ends of two passes differ, if they do: runs by what they are called, outcomes without
/// what is forgotten.
pub(crate) fn difference<O>(scenario: &Scenario<O>, calm: &End, end: &End) -> Option<String> {
    let (expected, found) = (outcomes(scenario, calm), outcomes(scenario, end));
    for (name, expected) in &expected {
        let Some((_, found)) = found.iter().find(|(known, _)| known == name) else {
            return Some(format!("{name} is missing"));
        };
        if let Some(difference) = expected.difference(found) {
            return Some(format!("{name} came to {difference}"));
        }
    }
    let known = |name| expected.iter().any(|(known, _)| known == name);
    let more = found.iter().find(|(name, _)| !known(name));
    more.map(|(name, _)| format!("{name} is one too many"))
}

/// An outcome as it is compared.
enum Comparable {
    Output(Value),
    Other(String),
}

impl Comparable {
    fn difference(&self, found: &Self) -> Option<String> {
        match (self, found) {
            (Self::Output(expected), Self::Output(found)) => {
                let (place, expected, found) = first_difference("", expected, found)?;
                let place = if place.is_empty() {
                    String::new()
                } else {
                    format!(" at {place}")
                };
                Some(format!("the output {found}{place}, calmly to {expected}"))
            }
            (Self::Other(expected), Self::Other(found)) if expected == found => None,
            _ => Some(format!("{found}, calmly to {self}")),
        }
    }
}

impl std::fmt::Display for Comparable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Output(output) => write!(f, "the output {output}"),
            Self::Other(other) => f.write_str(other),
        }
    }
}

/// The first place where two documents differ, and what is there.
fn first_difference<'a>(
    place: &str,
    expected: &'a Value,
    found: &'a Value,
) -> Option<(String, &'a Value, &'a Value)> {
    if expected == found {
        return None;
    }
    match (expected, found) {
        (Value::Object(fields), Value::Object(others)) if fields.keys().eq(others.keys()) => {
            let mut pairs = fields.iter().zip(others.values());
            pairs.find_map(|((name, expected), found)| {
                first_difference(&format!("{place}.{name}"), expected, found)
            })
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            let mut pairs = items.iter().zip(others).enumerate();
            pairs.find_map(|(at, (expected, found))| {
                first_difference(&format!("{place}[{at}]"), expected, found)
            })
        }
        _ => Some((place.to_owned(), expected, found)),
    }
}

fn outcomes<O>(scenario: &Scenario<O>, end: &End) -> Vec<(String, Comparable)> {
    // Ids of runs are others in every pass.
    let nameless = |text: &str| {
        let runs = end.ended.iter();
        runs.fold(text.to_owned(), |text, known| {
            text.replace(&known.run.to_string(), &known.name)
        })
    };
    let mut outcomes: Vec<_> = end
        .ended
        .iter()
        .map(|ended| {
            let comparable = match &ended.outcome {
                Outcome::Completed(output) => {
                    let output = nameless(output.as_json());
                    let mut output: Value = serde_json::from_str(&output).unwrap_or_default();
                    let forgotten = scenario.forgotten.iter();
                    forgotten.for_each(|forget| forget(&mut output));
                    Comparable::Output(output)
                }
                Outcome::Failed(failure) => {
                    Comparable::Other(format!("the failure {}", nameless(&failure.message)))
                }
                Outcome::Cancelled => Comparable::Other("a cancellation".to_owned()),
                Outcome::Continued(_) => Comparable::Other("another run".to_owned()),
            };
            (ended.name.clone(), comparable)
        })
        .collect();
    outcomes.sort_by(|(one, _), (other, _)| one.cmp(other));
    outcomes
}

#[cfg(test)]
mod tests;
