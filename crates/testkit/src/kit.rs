//! [`test()`] and [`Kit`]: one test on the real engine, on a clock of its own.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use stepwell::{Error, Registry, Timestamp};
use stepwell_engine::{Chance, Clock, Options};

use crate::ensure::broken;
use crate::fakes::{Call, Fakes};
use crate::memory::MemoryStore;
use crate::pace::Pace;
use crate::world::{World, WorldError};

/// The instant at which every test begins unless told otherwise: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp::from_ms(1_767_225_600_000);

/// How long a test waits for something in virtual time before it gives up.
const PATIENCE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Runs `test` over the workflows of `registry`; see [`Kit::test`].
///
/// # Panics
/// When `test` does, or returns an error: the test has failed.
#[track_caller]
pub fn test<T>(registry: Registry, test: impl AsyncFnOnce(&World) -> Result<T, Error>) -> T {
    Kit::new(registry).test(test)
}

/// What a test runs on: the real engine over a store in memory, a clock that jumps, fakes.
///
/// ```
/// use stepwell::{Attempt, Error, Registry, Step, workflow};
/// use stepwell_testkit::Kit;
///
/// #[workflow(retries = 2)]
/// async fn pay(step: &mut Step, cents: u32) -> Result<String, Error> {
///     let receipt = step
///         .run("charge", async |_: &Attempt| -> Result<String, Error> {
///             Err(Error::terminal("no payment provider in tests"))
///         })
///         .await?;
///     Ok(receipt)
/// }
///
/// let kit = Kit::new(Registry::new().with(pay)).fake("charge", |call| match call.nth {
///     1 => Err(Error::retryable("provider is down")),
///     _ => Ok(format!("receipt for {}", call.idempotency_key)),
/// });
/// kit.test(async |world| {
///     let run = world.start(&pay, &100).await?;
///     assert!(world.output(run).await?.starts_with("receipt for"));
///     world.journal(run).await?.assert_attempts("charge", 2);
///     assert_eq!(world.calls("charge").len(), 2);
///     Ok(())
/// });
/// ```
#[derive(Debug, Clone)]
pub struct Kit {
    registry: Registry,
    settings: Settings,
}

/// How a test, or a pass of a scenario, runs.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) fakes: Fakes,
    pub(crate) begin: Timestamp,
    pub(crate) seed: u64,
    pub(crate) patience: Duration,
    pub(crate) self_contained: bool,
    pub(crate) options: Options,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fakes: Fakes::default(),
            begin: BEGIN,
            seed: 0,
            patience: PATIENCE,
            self_contained: false,
            options: Options::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("fakes", &self.fakes)
            .field("self_contained", &self.self_contained)
            .finish_non_exhaustive()
    }
}

impl Kit {
    /// A kit for the workflows of `registry`.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            settings: Settings::default(),
        }
    }

    /// Puts `body` in the place of the body of every step of this name; see [`Fakes::with`].
    #[must_use]
    pub fn fake<T, F>(mut self, step: &str, body: F) -> Self
    where
        T: Serialize,
        F: Fn(&Call) -> Result<T, Error> + Send + Sync + 'static,
    {
        self.settings.fakes = self.settings.fakes.with(step, body);
        self
    }

    /// Puts all of `fakes` in the place of the bodies they name, instead of any before.
    #[must_use]
    pub fn fakes(mut self, fakes: Fakes) -> Self {
        self.settings.fakes = fakes;
        self
    }

    /// The instant at which the test begins. Default: 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn begin_at(mut self, begin: Timestamp) -> Self {
        self.settings.begin = begin;
        self
    }

    /// What ids of runs, `step.random` and `step.ulid` are drawn from: the same every time for the
    /// same seed. Default: 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// How much virtual time may pass in one wait before the test fails. Default: ten years.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.settings.patience = patience;
        self
    }

    /// Says that neither the test nor any body waits for anything outside: no socket, no database,
    /// no thread. Then time jumps while bodies are in flight too, and their own sleeps and time
    /// limits take none. In a test that does wait outside, every time limit would strike at once.
    #[must_use]
    pub fn self_contained(mut self) -> Self {
        self.settings.self_contained = true;
        self
    }

    /// Changes settings of the engine, such as the time limit of attempts. Placement, chance and
    /// marks of attempts in flight are the kit's.
    #[must_use]
    pub fn engine_options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.settings.options);
        self
    }

    /// Runs `test` to its end, on this thread, on the real engine.
    ///
    /// The clock is this test's own: it stands still while the test's code runs and while a real
    /// body is in flight, and jumps to the next instant anybody waits for while the test waits
    /// through the [`World`]. A body that takes longer than half a second sees it pass as on the
    /// wall.
    ///
    /// # Panics
    /// When `test` does, or returns an error: the test has failed. When called inside a runtime,
    /// whose clock is not the test's: call it from a plain `#[test]`.
    #[track_caller]
    pub fn test<T>(self, test: impl AsyncFnOnce(&World) -> Result<T, Error>) -> T {
        let Self { registry, settings } = self;
        let ended = on_a_clock_of_its_own(&settings, async |stage| {
            let memory = MemoryStore::new();
            let store = Arc::new(memory.clone());
            let world = World::open(stage, &settings, registry, memory, store).await?;
            let ended = test(&world).await;
            world.close().await;
            ended
        });
        match ended {
            Ok(value) => value,
            Err(error) => broken(error),
        }
    }
}

/// Where engines are opened one after another: a paused runtime with its clock.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) clock: Clock,
    pub(crate) pace: Arc<Pace>,
    /// One sequence for all its engines, so that no id comes twice.
    pub(crate) chance: Chance,
    /// Marks of attempts in flight, which outlive an engine as they outlive a process.
    pub(crate) marks: Arc<tempfile::TempDir>,
}

impl Stage {
    /// Where another engine is opened at the same time: marks are one engine's, all else is shared.
    pub(crate) fn beside(&self) -> Result<Self, WorldError> {
        Ok(Self {
            marks: Arc::new(marks().map_err(WorldError::Marks)?),
            ..self.clone()
        })
    }
}

fn marks() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("stepwell-test-").tempdir()
}

/// Runs `play` on a paused runtime of its own.
#[track_caller]
pub(crate) fn on_a_clock_of_its_own<T>(
    settings: &Settings,
    play: impl AsyncFnOnce(&Stage) -> T,
) -> T {
    if tokio::runtime::Handle::try_current().is_ok() {
        broken(
            "the test kit has a runtime and a clock of its own: call it from a plain #[test], not \
             from #[tokio::test] or other async code",
        );
    }
    let built = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let runtime = built.unwrap_or_else(|error| broken(format_args!("no runtime: {error}")));
    let marks = marks()
        .unwrap_or_else(|error| broken(format_args!("no temporary folder for marks: {error}")));
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let stage = Stage {
            clock: Clock::virtual_from(settings.begin),
            pace: Pace::of_this_runtime(settings.self_contained),
            chance: Chance::seeded(settings.seed),
            marks: Arc::new(marks),
        };
        play(&stage).await
    }))
}

/// Gives up after so much virtual time.
pub(crate) async fn within<T>(patience: Duration, wait: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(patience, wait).await.ok()
}
