//! The lines of a run: its own and one for each branch, and what each of them waits for.
//!
//! What a run needs is asked after every entry, so the answer is kept up to date line by line
//! instead of being searched for: a run of many branches costs no more an entry than one of few.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::state::{RunState, StepProgress};
use crate::entry::StepKind;
use crate::ids::{StepAddress, is_within, undoes_within};
use crate::time::Timestamp;

/// All lines of one run, by the path of their branch; the run's own has the empty path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    all: BTreeMap<Arc<str>, Line>,
    /// Lines whose code can go on at once.
    ready: BTreeSet<Arc<str>>,
    /// Lines that wait for an instant.
    timed: BTreeSet<(Timestamp, Arc<str>)>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The addresses the journal speaks of on this line, in the order of their first entry.
    pub steps: Vec<StepAddress>,
    /// Whether code runs on it.
    pub standing: Standing,
    /// The fork it is a branch of; none for the run's own.
    fork: Option<StepAddress>,
    rest: Rest,
}

/// Whether code runs on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Live,
    /// Its branch ended.
    Ended,
    /// Another branch won the race.
    Lost,
}

/// What a line waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Ready,
    Until(Timestamp),
    /// For something from outside, or for its own branches.
    Blocked,
}

impl Lines {
    /// The lines of a run that begins: its own.
    #[must_use]
    pub(super) fn new() -> Self {
        let mut lines = Self {
            all: BTreeMap::new(),
            ready: BTreeSet::new(),
            timed: BTreeSet::new(),
        };
        lines.begin(None, Arc::from(""));
        lines
    }

    /// The line of `branch`, if code ever ran on it.
    #[must_use]
    pub fn get(&self, branch: &str) -> Option<&Line> {
        self.all.get(branch)
    }

    /// The addresses of `branch` in order.
    #[must_use]
    pub fn steps(&self, branch: &str) -> &[StepAddress] {
        self.all.get(branch).map_or(&[], |line| &line.steps)
    }

    /// Whether code runs on `branch`.
    #[must_use]
    pub fn is_live(&self, branch: &str) -> bool {
        let line = self.all.get(branch);
        line.is_some_and(|line| line.standing == Standing::Live)
    }

    /// Whether `branch` lost a race.
    #[must_use]
    pub fn is_lost(&self, branch: &str) -> bool {
        let line = self.all.get(branch);
        line.is_some_and(|line| line.standing == Standing::Lost)
    }

    /// The fork of which `branch` is a branch.
    pub(super) fn fork_of(&self, branch: &str) -> Option<&StepAddress> {
        self.all.get(branch)?.fork.as_ref()
    }

    /// The paths of all lines.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        self.all.keys()
    }

    /// The lines whose code can go on at once, which for the body of a scope may mean to undo it.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<str>> {
        self.ready.iter()
    }

    /// The lines that wait for an instant, earliest first.
    pub fn timed(&self) -> impl Iterator<Item = (Timestamp, &Arc<str>)> {
        self.timed.iter().map(|(at, branch)| (*at, branch))
    }

    /// Code begins to run on `branch` of `fork`.
    pub(super) fn begin(&mut self, fork: Option<StepAddress>, branch: Arc<str>) {
        let line = Line {
            steps: Vec::new(),
            standing: Standing::Live,
            fork,
            rest: Rest::Blocked,
        };
        self.all.insert(branch.clone(), line);
        self.place(&branch, Rest::Ready);
    }

    /// A further address on `branch`.
    pub(super) fn push(&mut self, step: StepAddress) {
        if let Some(line) = self.all.get_mut(&step.branch) {
            line.steps.push(step);
        }
    }

    /// The last address of `branch` is none of the journal's any more.
    pub(super) fn pop(&mut self, branch: &str) {
        if let Some(line) = self.all.get_mut(branch) {
            line.steps.pop();
        }
    }

    /// Code runs on `branch` again, which had ended.
    pub(super) fn revive(&mut self, branch: &str) {
        if let Some(line) = self.all.get_mut(branch)
            && line.standing == Standing::Ended
        {
            line.standing = Standing::Live;
        }
    }

    /// Code runs on `branch` no more.
    pub(super) fn end(&mut self, branch: &str, standing: Standing) {
        if let Some(line) = self.all.get_mut(branch) {
            line.standing = standing;
        }
    }

    /// Every live line at or within `branch` loses its race, but for those that undo what was done
    /// within it; the lines that lost.
    pub(super) fn lose(&mut self, branch: &str) -> Vec<Arc<str>> {
        let from = (Bound::Included(branch), Bound::Unbounded);
        let from = self.all.range_mut::<str, _>(from);
        let lost = from
            .take_while(|(path, _)| path.starts_with(branch))
            .filter(|(path, line)| {
                let within = is_within(path, branch) && !undoes_within(path, branch);
                within && line.standing == Standing::Live
            });
        lost.map(|(path, line)| {
            line.standing = Standing::Lost;
            path.clone()
        })
        .collect()
    }

    fn place(&mut self, branch: &str, rest: Rest) {
        let Some((path, line)) = self.all.get_key_value(branch) else {
            return;
        };
        if line.rest == rest {
            return;
        }
        let (path, before) = (path.clone(), line.rest);
        match before {
            Rest::Ready => drop(self.ready.remove(&path)),
            Rest::Until(at) => drop(self.timed.remove(&(at, path.clone()))),
            Rest::Blocked => {}
        }
        if let Some(line) = self.all.get_mut(branch) {
            line.rest = rest;
        }
        match rest {
            Rest::Ready => drop(self.ready.insert(path)),
            Rest::Until(at) => drop(self.timed.insert((at, path))),
            Rest::Blocked => {}
        }
    }
}

impl RunState {
    /// Looks anew at what `branch` waits for, after something of it changed.
    pub(super) fn refresh(&mut self, branch: &str) {
        let rest = self.rest(branch);
        self.lines.place(branch, rest);
    }

    /// Looks anew at all lines around `branch`, some of which may have waited for a scope on it.
    pub(super) fn refresh_around(&mut self, branch: &Arc<str>) {
        let mut around = Some(branch.clone());
        while let Some(line) = around {
            self.refresh(&line);
            around = self.lines.fork_of(&line).map(|fork| fork.branch.clone());
        }
    }

    fn rest(&self, branch: &str) -> Rest {
        let Some(line) = self.lines.get(branch) else {
            return Rest::Blocked;
        };
        if line.standing == Standing::Ended {
            return Rest::Blocked;
        }
        if self.held(branch) {
            // Nothing of the line is due but to undo it, once what was begun within it is undone.
            let undone = self.learns(branch) && self.scopes_within(branch).next().is_none();
            return if undone { Rest::Ready } else { Rest::Blocked };
        }
        let last = line.steps.last();
        let Some((address, step)) = last.and_then(|last| self.steps.get_key_value(last)) else {
            return Rest::Ready;
        };
        match &step.progress {
            // The losers of a race undo before its line goes on.
            StepProgress::Done(_) if step.kind == StepKind::Race => {
                let held_up = self.scopes_within(&address.to_string()).next().is_some();
                if held_up { Rest::Blocked } else { Rest::Ready }
            }
            StepProgress::Done(_) | StepProgress::Open { retry_at: None } => Rest::Ready,
            StepProgress::Open { retry_at: Some(at) } => Rest::Until(*at),
            StepProgress::Waiting(wait) => match wait.until {
                _ if wait.offered.is_some() || wait.look => Rest::Ready,
                Some(at) => Rest::Until(at),
                None => Rest::Blocked,
            },
            StepProgress::Forked(_) => Rest::Blocked,
        }
    }

    /// Whether `branch` is the body of a scope that has not begun to undo.
    fn learns(&self, branch: &str) -> bool {
        let scope = self.lines.fork_of(branch);
        let step = scope.and_then(|scope| self.steps.get(scope));
        step.is_some_and(|step| {
            let open = matches!(&step.progress, StepProgress::Forked(fork) if !fork.undoing);
            open && step.kind == StepKind::Scope
        })
    }

    /// Whether `branch` lies in the body of a scope that has not begun to undo.
    pub(super) fn learned_of(&self, branch: &str) -> bool {
        let mut around = Some(branch);
        while let Some(line) = around {
            if self.learns(line) {
                return true;
            }
            around = self.lines.fork_of(line).map(|fork| &*fork.branch);
        }
        false
    }
}
