//! Running a plan: one process after another over one store, until every run has ended.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use stepwell::{Event as _, Registry};
use stepwell_core::run::Awaiting;
use stepwell_core::{EventId, Timestamp, WaitOn};
use stepwell_engine::{Chance, Clock, Engine, Options, Placement, StartError};
use stepwell_testkit::memory::MemoryStore;
use stepwell_testkit::sim_store::{Fate, SimStore, Strike};
use stepwell_testkit::turns::Turns;
use tempfile::TempDir;
use tokio::time::Instant;

use super::acts::{event, perform, publish, signal};
use super::interpreter::{Fact, Interpreter, key_name};
use super::observation::{Cut, Observation};
use super::plan::{Act, GAPS, Plan, Turn};
use super::world::World;
use crate::engine::world::BEGIN;

/// Commits past which a simulation is ended, and rounds of rest in which its runs are to end.
const COMMITS_MAX: u64 = 20_000;
const ROUNDS_MAX: u64 = 400;

/// How long nothing is asked before the store is looked at, at first and from then on.
const FIRST_REST: Duration = Duration::from_secs(600);
const REST: Duration = Duration::from_secs(3 * 86_400);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Crashed,
    /// Its store stopped, or it could not open it.
    Failed,
    Drained,
    /// Everything is over.
    Over,
}

/// Acts that were begun and not answered, by their place in the history.
type Unanswered = Rc<RefCell<BTreeMap<usize, Act>>>;

struct Simulation {
    plan: Arc<Plan>,
    world: Arc<World>,
    fate: Arc<Fate>,
    memory: MemoryStore,
    chance: Chance,
    opening: u64,
    /// Milliseconds since the beginning, whatever the wall clock says.
    elapsed_ms: u64,
    /// What the wall clock says at `elapsed_ms`.
    wall: Timestamp,
    next_act: usize,
    next_turn: usize,
    processes: usize,
    unanswered: Unanswered,
    sent: BTreeSet<EventId>,
    marks: Option<TempDir>,
    cuts: Vec<Cut>,
    at_rest: Vec<Cut>,
    cut_short: Option<String>,
}

/// Runs a plan to its end.
pub(super) fn simulate(plan: Plan, traced: bool) -> Observation {
    let memory = MemoryStore::held();
    let fate = Fate::new();
    fate.limit(COMMITS_MAX);
    fate.delay(plan.delays_ms.iter().copied());
    fate.tell_after(plan.told_after_ms);
    for (nth, strike) in &plan.strikes {
        fate.strike(*nth, strike.clone());
    }
    for reads in &plan.failing_reads {
        fate.fail_reads(reads.clone());
    }
    if let Some(vice) = plan.vice {
        fate.corrupt(vice);
    }
    let world = World::new(memory.clone(), Arc::clone(&fate), traced);
    let sent = plan.acts.iter().flat_map(|(_, act)| act.events());
    let mut simulation = Simulation {
        sent: sent.collect(),
        marks: plan.marks.then(|| TempDir::new().unwrap()),
        chance: Chance::seeded(plan.seed),
        plan: Arc::new(plan),
        world,
        fate,
        memory,
        opening: 1,
        elapsed_ms: 0,
        wall: BEGIN,
        next_act: 0,
        next_turn: 0,
        processes: 0,
        unanswered: Unanswered::default(),
        cuts: Vec::new(),
        at_rest: Vec::new(),
        cut_short: None,
    };
    simulation.world.opens(1);
    loop {
        let left = simulation.one_process();
        let fate = Arc::clone(&simulation.fate);
        simulation.world.say(|| format!("process ends: {left:?}"));
        if left == Left::Over || fate.is_exhausted() || simulation.processes > 2 * GAPS {
            break;
        }
        simulation.reopen(left);
    }
    simulation.observed()
}

impl Simulation {
    /// One process from its opening to its end.
    fn one_process(&mut self) -> Left {
        let turns = Turns::new();
        let still = Arc::clone(&turns);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .max_blocking_threads(1)
            .on_thread_park(move || still.standing_still())
            .build()
            .unwrap();
        let local = tokio::task::LocalSet::new();
        let left = runtime.block_on(turns.over(local.run_until(self.live(&turns))));
        // Everything in flight is dropped where it stands, with the runtime at hand.
        self.fate.die();
        turns.end();
        let inside = runtime.enter();
        drop(local);
        drop(inside);
        left
    }

    async fn live(&mut self, turns: &Arc<Turns>) -> Left {
        let origin = Instant::now();
        let clock = Clock::virtual_from(self.wall);
        let began_ms = self.elapsed_ms;
        let fate = Arc::clone(&self.fate);
        let left = {
            let died = fate.died();
            let lived = self.history(turns, clock, origin, began_ms);
            tokio::select! {
                biased;
                () = died => Left::Crashed,
                left = lived => left,
            }
        };
        self.elapsed_ms = began_ms + ms(origin.elapsed());
        self.wall = clock.now();
        left
    }

    /// Does what the plan says until something ends the process.
    async fn history(
        &mut self,
        turns: &Arc<Turns>,
        clock: Clock,
        origin: Instant,
        began_ms: u64,
    ) -> Left {
        let plan = Arc::clone(&self.plan);
        let Ok(mut engine) = self.open(turns, clock).await else {
            return Left::Failed;
        };
        // Engines that were fenced out and do not know it.
        let mut fenced = Vec::new();
        self.ask_again(&engine);
        loop {
            let act = plan.acts.get(self.next_act);
            let turn = plan.turns.get(self.next_turn);
            let turn = turn.filter(|_| self.processes < GAPS);
            let at_ms = match (act, turn) {
                (Some((act, _)), Some((turn, _))) => *act.min(turn),
                (Some((at, _)), None) | (None, Some((at, _))) => *at,
                (None, None) => return self.come_to_rest(&engine, clock).await,
            };
            let at = origin + Duration::from_millis(at_ms.saturating_sub(began_ms));
            tokio::select! {
                biased;
                _ = engine.failed() => return Left::Failed,
                () = tokio::time::sleep_until(at) => {}
            }
            if let Some((_, act)) = act.filter(|(act, _)| *act == at_ms) {
                self.begin_act(&engine, self.next_act, act.clone());
                self.next_act += 1;
                continue;
            }
            let Some((_, turn)) = turn else { continue };
            self.next_turn += 1;
            let wall = clock.now().as_ms();
            self.world.say(|| format!("{wall}: {turn:?}"));
            match turn {
                Turn::Drain { limit_ms } => {
                    self.world.saw("drain");
                    engine.drain(Duration::from_millis(*limit_ms)).await;
                    // A store that stopped before says so to the next opening, too.
                    drop(stepwell_store::Store::close(&self.memory));
                    return Left::Drained;
                }
                Turn::Crash => {
                    self.world.saw("crash at rest");
                    return Left::Crashed;
                }
                Turn::Asleep { ms } => {
                    self.world.saw("asleep");
                    tokio::time::advance(Duration::from_millis(*ms)).await;
                }
                Turn::SecondOpener { keeps_ordered } => {
                    self.world.saw("second opener");
                    self.take_over(*keeps_ordered);
                    let Ok(second) = self.open(turns, clock).await else {
                        return Left::Failed;
                    };
                    let first = std::mem::replace(&mut engine, second);
                    self.probe(&first);
                    fenced.push(first);
                }
            }
        }
    }

    async fn open(&mut self, turns: &Arc<Turns>, clock: Clock) -> Result<Engine, StartError> {
        let interpreter = Interpreter {
            world: Arc::clone(&self.world),
            programs: Arc::new(self.plan.programs.clone()),
            opening: self.opening,
        };
        let store = SimStore::new(
            self.memory.clone(),
            Arc::clone(&self.fate),
            Arc::clone(turns),
        );
        let in_flight = self.marks.as_ref().map(|dir| dir.path().join("in-flight"));
        let options = Options {
            placement: Placement::Local(self.plan.shards),
            chance: self.chance.clone(),
            driven_per_shard: self.plan.driven,
            linger: Duration::from_millis(self.plan.linger_ms),
            hot_wait: Duration::from_millis(self.plan.hot_wait_ms),
            timer_horizon: Duration::from_secs(self.plan.horizon_s),
            in_flight,
            ..Options::default()
        };
        let registry = Registry::new().with(interpreter);
        let opened = Engine::start(Arc::new(store), registry, clock, options).await;
        if let Err(error) = &opened {
            self.world.saw("opening failed");
            self.world.say(|| format!("opening failed: {error}"));
        }
        opened
    }

    /// Another opening over the same store, while the first goes on.
    fn take_over(&mut self, keeps_ordered: bool) {
        self.memory = if keeps_ordered {
            self.memory.reopen()
        } else {
            self.memory.crash()
        };
        self.opening += 1;
        self.world.opens(self.opening);
        self.cut();
    }

    /// Asks an engine that was fenced out for what it may not acknowledge.
    fn probe(&self, first: &Engine) {
        let (first, world) = (first.clone(), Arc::clone(&self.world));
        let id = format!("probe-{}", self.opening);
        tokio::task::spawn_local(async move {
            let fact = Fact {
                key: key_name(0),
                amount: 0,
            };
            match first.publish(vec![event(&id, Fact::NAME, &fact)]).await {
                Ok(_) => world.fenced_answered(id),
                Err(_) => world.saw("fenced out"),
            }
        });
    }

    fn begin_act(&self, engine: &Engine, place: usize, act: Act) {
        self.unanswered.borrow_mut().insert(place, act.clone());
        let (engine, world) = (engine.clone(), Arc::clone(&self.world));
        let unanswered = Rc::clone(&self.unanswered);
        tokio::task::spawn_local(async move {
            if perform(&engine, &world, &act).await || !act.is_repeatable() {
                unanswered.borrow_mut().remove(&place);
            }
        });
    }

    /// Clients whose process died ask again what they may ask twice.
    fn ask_again(&self, engine: &Engine) {
        let open = std::mem::take(&mut *self.unanswered.borrow_mut());
        for (place, act) in open {
            if act.is_repeatable() {
                self.world.saw("asked again");
                self.begin_act(engine, place, act);
            }
        }
    }

    /// What follows the end of a process: time, what is lost, another opening.
    fn reopen(&mut self, left: Left) {
        let gap = self.plan.gaps[self.processes % GAPS];
        self.processes += 1;
        match left {
            Left::Crashed => self.world.saw("crash"),
            Left::Failed => self.world.saw("failure"),
            Left::Drained | Left::Over => {}
        }
        self.memory = match left {
            Left::Crashed if gap.keeps_ordered => self.memory.reopen(),
            Left::Crashed | Left::Failed => self.memory.crash(),
            Left::Drained | Left::Over => self.memory.reopen(),
        };
        self.elapsed_ms += gap.down_ms;
        self.wall = self.wall.after(Duration::from_millis(gap.down_ms));
        if gap.jump_ms > 0 {
            self.world.saw("clock forward");
        } else if gap.jump_ms < 0 {
            self.world.saw("clock back");
        }
        let wall = self.wall.as_ms().saturating_add_signed(gap.jump_ms);
        self.wall = Timestamp::from_ms(wall);
        if !gap.keeps_marks
            && let Some(marks) = &mut self.marks
        {
            *marks = TempDir::new().unwrap();
        }
        if self.processes >= GAPS {
            self.fate.mend();
        }
        self.fate.revive();
        self.opening += 1;
        self.world.opens(self.opening);
        self.cut();
        let (number, wall) = (self.processes + 1, self.wall.as_ms());
        self.world
            .say(|| format!("process {number} begins at {wall}"));
    }

    fn cut(&mut self) {
        let cut = Cut::of(&self.memory, &self.sent, self.wall);
        self.cuts.push(cut);
    }

    /// Nothing fails any more: time passes and everything awaited is sent until every run ended.
    async fn come_to_rest(&mut self, engine: &Engine, clock: Clock) -> Left {
        self.fate.mend();
        for round in 0..ROUNDS_MAX {
            let rest = if round == 0 { FIRST_REST } else { REST };
            tokio::select! {
                biased;
                _ = engine.failed() => return Left::Failed,
                () = tokio::time::sleep(rest) => {}
            }
            self.ask_again(engine);
            let mut cut = Cut::of(&self.memory, &self.sent, clock.now());
            cut.answered = self.world.answers().len();
            if cut.is_over() {
                return Left::Over;
            }
            self.send_what_is_awaited(engine, &cut, round).await;
            self.at_rest.push(cut);
        }
        self.cut_short = Some(format!("runs go on after {ROUNDS_MAX} rounds of rest"));
        Left::Over
    }

    async fn send_what_is_awaited(&mut self, engine: &Engine, cut: &Cut, round: u64) {
        let world = Arc::clone(&self.world);
        let mut keys = BTreeSet::new();
        for (run, _, state) in cut.states() {
            if state.outcome.is_none() && state.quarantined.is_some() {
                world.saw("resumed");
                drop(engine.resume(*run).await);
            }
            let waits = state
                .waiting
                .iter()
                .filter_map(|step| state.steps.get(step));
            for known in waits {
                let stepwell_core::run::StepProgress::Waiting(wait) = &known.progress else {
                    continue;
                };
                match &wait.on {
                    Awaiting::On(WaitOn::Event { awaited, .. }) => {
                        keys.insert(awaited.key.clone());
                    }
                    Awaiting::On(WaitOn::Signal { .. }) => {
                        // A run that ends meanwhile takes none, which is said to nobody here.
                        drop(signal(engine, &world, *run, 10_000 + round).await);
                    }
                    Awaiting::On(WaitOn::Until) | Awaiting::Child(_) => {}
                }
            }
        }
        for key in keys {
            let id = format!("last-{round}-{key}");
            self.sent.insert(EventId::new(id.as_str()));
            let fact = event(&id, Fact::NAME, &Fact { key, amount: 99 });
            drop(publish(engine, &world, vec![fact]).await);
        }
    }

    fn observed(mut self) -> Observation {
        if self.fate.is_exhausted() {
            self.cut_short = Some(format!("{COMMITS_MAX} commits, or too many polls of code"));
        }
        for (_, strike) in self.fate.struck() {
            self.world.saw(match strike {
                Strike::CrashBefore => "crash before a commit",
                Strike::CrashAfter => "crash after a commit",
                Strike::Disk(fault) => match fault {
                    stepwell_testkit::CommitFault::Refuse(_) => "commit refused",
                    stepwell_testkit::CommitFault::Lose => "commit lost",
                    stepwell_testkit::CommitFault::KeepUntold => "commit kept untold",
                },
            });
        }
        if self.fate.failed_reads() > 0 {
            self.world.saw("read failed");
        }
        let last = Cut::of(&self.memory, &self.sent, self.wall);
        Observation {
            plan: self.plan,
            cuts: self.cuts,
            at_rest: self.at_rest,
            last,
            begun: self.world.begun(),
            answers: self.world.answers(),
            asked_to_end: self.world.asked_to_end(),
            fenced_answers: self.world.fenced_answers(),
            cut_short: self.cut_short,
            seen: self.world.seen(),
            lines: self.world.lines(),
        }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
