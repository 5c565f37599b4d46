//! Branches side by side: `join`, `map`, `race`. Each gets a line of its own.
//!
//! A branch's addresses begin with the fork's name and the branch's number, so they are the same
//! however branches interleave, and a branch may take any number of steps. Results reach code in
//! the order of the journal, live and on replay: what branches do to each other's variables is
//! repeated as it happened.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::run::{Command, EndBranch, Reply, StartFork};
use stepwell_core::{Failure, FailureClass, Payload, StepAddress, StepKind};

use crate::error::{Error, StepError};
use crate::step::{Ran, Step, result_of, usable};

/// A branch that was not begun: takes its line, and gives it back with what it returned.
type Branch<'b, R> = Box<dyn FnOnce(Step) -> LocalBoxFuture<'b, (Step, R)> + 'b>;

fn branch<'b, R, F>(code: F) -> Branch<'b, R>
where
    F: AsyncFnOnce(&mut Step) -> R + 'b,
    R: 'b,
{
    Box::new(move |mut line: Step| {
        Box::pin(async move {
            let returned = code(&mut line).await;
            (line, returned)
        })
    })
}

/// What [`Step::join`] takes: a tuple of two to eight async closures over `&mut Step`.
pub trait Branches<R> {
    /// How many.
    const COUNT: u32;

    /// All of them on their own lines, to their ends.
    fn all(self, fork: &Fork<'_>) -> impl Future<Output = R>;
}

/// What [`Step::race`] takes: a tuple of two to eight async closures that return the same type.
pub trait Alternatives<'b, R> {
    /// All of them, none begun.
    fn boxed(self) -> Vec<Branch<'b, R>>;
}

macro_rules! tuples {
    ($count:literal: $($code:ident $returned:ident $at:tt),+) => {
        impl<$($code, $returned),+> Branches<($($returned,)+)> for ($($code,)+)
        where
            $($code: AsyncFnOnce(&mut Step) -> $returned,)+
        {
            const COUNT: u32 = $count;

            async fn all(self, fork: &Fork<'_>) -> ($($returned,)+) {
                tokio::join!(biased; $(fork.to_end($at, self.$at)),+)
            }
        }

        impl<'b, R: 'b, $($code),+> Alternatives<'b, R> for ($($code,)+)
        where
            $($code: AsyncFnOnce(&mut Step) -> R + 'b,)+
        {
            fn boxed(self) -> Vec<Branch<'b, R>> {
                vec![$(branch(self.$at)),+]
            }
        }
    };
}

tuples!(2: A RA 0, B RB 1);
tuples!(3: A RA 0, B RB 1, C RC 2);
tuples!(4: A RA 0, B RB 1, C RC 2, D RD 3);
tuples!(5: A RA 0, B RB 1, C RC 2, D RD 3, E RE 4);
tuples!(6: A RA 0, B RB 1, C RC 2, D RD 3, E RE 4, F RF 5);
tuples!(7: A RA 0, B RB 1, C RC 2, D RD 3, E RE 4, F RF 5, G RG 6);
tuples!(8: A RA 0, B RB 1, C RC 2, D RD 3, E RE 4, F RF 5, G RG 6, H RH 7);

/// A fork under way. For the branches of it, not for authors.
#[derive(Debug)]
pub struct Fork<'s> {
    parent: &'s Step,
    address: StepAddress,
    limit: u32,
}

impl Fork<'_> {
    fn line(&self, branch: u32) -> Step {
        self.parent.branched(self.address.branch_path(branch))
    }

    async fn to_end<R>(&self, branch: u32, code: impl AsyncFnOnce(&mut Step) -> R) -> R {
        let mut line = self.line(branch);
        let returned = code(&mut line).await;
        self.parent
            .end_branch(&self.address, branch, line.passed())
            .await;
        returned
    }
}

impl Step {
    /// Runs two to eight branches side by side to their ends; the result holds what each returned.
    ///
    /// A branch that returns an error does not stop the others: look at what came back.
    ///
    /// # Errors
    /// Only for a name that cannot be used.
    pub async fn join<B, R>(&mut self, name: &str, branches: B) -> Result<R, StepError>
    where
        B: Branches<R>,
    {
        let address = usable(self.claim(name))?;
        let fork = self.fork(address, StepKind::Join, B::COUNT, B::COUNT).await;
        let returned = branches.all(&fork).await;
        self.pass();
        Ok(returned)
    }

    /// Runs `body` for each of `items`, at most `limit` (at least 1) at a time and begun in order;
    /// the result holds what each returned, in the order of the items.
    ///
    /// # Errors
    /// Only for a name that cannot be used.
    pub async fn map<T, R, F>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        limit: usize,
        body: F,
    ) -> Result<Vec<R>, StepError>
    where
        F: AsyncFn(&mut Step, T) -> R,
    {
        let address = usable(self.claim(name))?;
        let items: Vec<T> = items.into_iter().collect();
        let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let limit = u32::try_from(limit)
            .unwrap_or(u32::MAX)
            .clamp(1, count.max(1));
        let fork = self.fork(address, StepKind::Map, count, limit).await;
        let mut returned: Vec<Option<R>> = items.iter().map(|_| None).collect();
        let mut waiting = (0..count).zip(items);
        let mut under_way = FuturesUnordered::new();
        let begin = |(branch, item): (u32, T)| {
            let (fork, body) = (&fork, &body);
            async move {
                let code = async |line: &mut Step| body(line, item).await;
                (branch, fork.to_end(branch, code).await)
            }
        };
        for next in waiting.by_ref().take(fork.limit as usize) {
            under_way.push(begin(next));
        }
        while let Some((branch, value)) = under_way.next().await {
            if let Some(place) = returned.get_mut(branch as usize) {
                *place = Some(value);
            }
            if let Some(next) = waiting.next() {
                under_way.push(begin(next));
            }
        }
        drop(under_way);
        self.pass();
        // Every branch ended, or this line would not have been reached.
        Ok(returned.into_iter().flatten().collect())
    }

    /// Runs two to eight branches side by side until the first ends; what it returned is the
    /// result, recorded together with which branch it was. The others are dropped in that moment:
    /// what they waited for is forgotten, a body of theirs in flight is told so and dropped where
    /// it stands. A scope of theirs lets its body in flight end and undoes what it did, before the
    /// code behind the race goes on.
    ///
    /// Let the branches return an `enum` of yours to tell them apart.
    ///
    /// # Errors
    /// The winner's error, which no further attempt can mend because it is recorded; or a name
    /// that cannot be used.
    pub async fn race<'b, T, B>(&mut self, name: &str, branches: B) -> Result<T, StepError>
    where
        B: Alternatives<'b, Result<T, Error>>,
        T: Serialize + DeserializeOwned + 'b,
    {
        let address = usable(self.claim(name))?;
        let branches = branches.boxed();
        let count = u32::try_from(branches.len()).unwrap_or(u32::MAX);
        let kind = StepKind::Race;
        let fork = self.fork(address.clone(), kind, count, count).await;
        let mut runners: Vec<Runner<'b, T>> = (0..count)
            .zip(branches)
            .map(|(number, code)| Runner {
                number,
                code: Some(code(fork.line(number))),
            })
            .collect();
        let outcome = poll_fn(|cx| {
            for runner in &mut runners {
                if let Some((passed, value)) = runner.poll(cx) {
                    return Poll::Ready((runner.number, passed, value));
                }
            }
            Poll::Pending
        });
        let (winner, passed, value) = outcome.await;
        let end = EndBranch {
            fork: address.clone(),
            branch: winner,
            passed,
            value: Some(value),
        };
        let outcome = match self.host().ask(Command::EndBranch(end)) {
            Reply::Recorded(outcome) => outcome,
            Reply::Accepted
            | Reply::Execute { .. }
            | Reply::Park { .. }
            | Reply::Wait { .. }
            | Reply::Judge { .. }
            | Reply::Fork { .. }
            | Reply::Hold
            | Reply::Patched(_)
            | Reply::Stop => pending().await,
        };
        self.let_losers_go(&address, winner, runners).await;
        self.pass();
        let output = result_of(address.clone(), outcome)?;
        Ok(self.decode(&address, kind, &output).await)
    }

    /// Drops the branches that lost; those with a scope open are driven until it has undone.
    async fn let_losers_go<T: Serialize>(
        &self,
        race: &StepAddress,
        winner: u32,
        mut runners: Vec<Runner<'_, T>>,
    ) {
        runners.retain(|runner| runner.number != winner);
        for runner in &runners {
            self.host().leave(race.branch_path(runner.number));
        }
        poll_fn(|cx| {
            runners.retain_mut(|runner| {
                let line = race.branch_path(runner.number);
                // A loser that ends all the same has nothing more to say.
                self.host().has_open_scope(&line)
                    && runner.poll(cx).is_none()
                    && self.host().has_open_scope(&line)
            });
            if runners.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// A fork of this line, once its branches may run.
    async fn fork(&self, step: StepAddress, kind: StepKind, branches: u32, limit: u32) -> Fork<'_> {
        let (limit, _) = self.come_to_fork(&step, kind, branches, limit).await;
        Fork {
            parent: self,
            address: step,
            limit,
        }
    }

    /// Comes to a fork. Resolves only once its branches may run: with how many of them at a time,
    /// and what a scope is recorded to have failed with.
    pub(crate) async fn come_to_fork(
        &self,
        step: &StepAddress,
        kind: StepKind,
        branches: u32,
        limit: u32,
    ) -> (u32, Option<Failure>) {
        let ask = StartFork {
            step: step.clone(),
            kind,
            position: self.passed(),
            branches,
            limit,
        };
        match self.host().ask(Command::StartFork(ask)) {
            Reply::Fork { limit, failed } => (limit, failed),
            Reply::Recorded(_)
            | Reply::Accepted
            | Reply::Execute { .. }
            | Reply::Park { .. }
            | Reply::Wait { .. }
            | Reply::Judge { .. }
            | Reply::Hold
            | Reply::Patched(_)
            | Reply::Stop => pending().await,
        }
    }

    /// Records that a branch of the fork at `fork` ended, after so many steps of its line.
    pub(crate) async fn end_branch(&self, fork: &StepAddress, branch: u32, passed: usize) {
        let end = EndBranch {
            fork: fork.clone(),
            branch,
            passed,
            value: None,
        };
        match self.host().ask(Command::EndBranch(end)) {
            Reply::Accepted | Reply::Recorded(_) => {}
            Reply::Execute { .. }
            | Reply::Park { .. }
            | Reply::Wait { .. }
            | Reply::Judge { .. }
            | Reply::Fork { .. }
            | Reply::Hold
            | Reply::Patched(_)
            | Reply::Stop => pending().await,
        }
    }
}

/// A branch of a race under way.
struct Runner<'b, T> {
    number: u32,
    code: Option<LocalBoxFuture<'b, (Step, Result<T, Error>)>>,
}

impl<T: Serialize> Runner<'_, T> {
    /// Polls the branch; once it ended, how many steps it passed and what it returned, as recorded.
    fn poll(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> Option<(usize, Result<Payload, Failure>)> {
        let code = self.code.as_mut()?;
        let Poll::Ready((line, returned)) = Pin::new(code).poll(cx) else {
            return None;
        };
        self.code = None;
        let value = match returned {
            Ok(value) => Ran::encode(&value).map(|ran| ran.output),
            Err(error) => Err(error.into_failure()),
        };
        let limit = stepwell_core::limits::STEP_OUTPUT_BYTES;
        let value = value.and_then(|output| {
            if output.len() <= limit {
                return Ok(output);
            }
            let message = format!(
                "result of {} bytes is over the limit of {limit}",
                output.len()
            );
            Err(Failure::new(FailureClass::Terminal, message))
        });
        Some((line.passed(), value))
    }
}
