//! Death at every step of opening a store: whatever call it falls on, the next opening finds all.
//!
//! Two sweeps over three ways to open (a store that is not there yet, one that was closed, one
//! that was killed with unsettled records in its log):
//!
//! - the engine is *killed* as it enters a call that changes or syncs a file, for each kind of
//!   call at its first, second, … use, until it opens untouched (`strace` injects the kill; where
//!   tracing is forbidden the preloaded library counts calls of all kinds together);
//! - the *power is cut* as it enters such a call, counted over all kinds and threads: of what the
//!   opening wrote, and of what the engine before it wrote, only the synced survives.
//!
//! Each time an undisturbed engine opens next, shows everything acknowledged, and accepts more.

use std::ops::ControlFlow;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use crate::power::disk::Disk;
use crate::power::engine::serve;
use crate::power::rig::{Broken, Rig};
use crate::power::tools::{finish, system, tools};

/// Calls that change or sync files. Files opened, and so made, are counted by the preloaded library,
/// which leaves out the hundreds that a program opens for itself.
const CALLS: [&str; 13] = [
    "write",
    "writev",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "rename",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
];

/// More calls of one kind than any opening makes: a sweep that comes here runs in circles.
const CALLS_MAX: u32 = 300;

/// What the disturbed engine opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// No store.
    Nothing,
    /// A store that was closed.
    Closed,
    /// A store whose engine was killed.
    Killed,
}

/// Where in its opening an engine dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// Entering the n-th call of this kind on any one thread; by `strace`.
    Traced(&'static str, u32),
    /// Entering the n-th call that touches the store; by the preloaded library.
    Counted(u32),
}

impl Death {
    /// The command that serves `rig`'s store and dies so.
    fn command(self, rig: &Rig) -> Command {
        let mut environment = rig.environment();
        match self {
            Self::Traced(call, n) => {
                let plain = serve(&rig.disk.store(), &environment);
                let mut traced = system("strace");
                // The tracer steps aside, so that the engine is the test's own child.
                traced.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"]);
                traced.arg(format!("trace={call}")).arg("-e");
                traced.arg(format!("inject={call}:signal=SIGKILL:when={n}"));
                traced.arg(plain.get_program()).args(plain.get_args());
                let set = plain
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?)));
                traced.envs(set);
                traced
            }
            Self::Counted(n) => {
                environment.push(("LD_PRELOAD", tools().disk.clone().into()));
                environment.push(("FAULTS_ROOT", rig.disk.store().into()));
                environment.push(("FAULTS_DIE_AT", n.to_string().into()));
                serve(&rig.disk.store(), &environment)
            }
        }
    }
}

/// Opens the store with an engine that dies so; goes on with the sweep if it did.
fn die(rig: &mut Rig, death: Death) -> Result<ControlFlow<()>, Broken> {
    match rig.start_as(death.command(rig)) {
        Ok(()) => {
            rig.kill()?;
            Ok(ControlFlow::Break(()))
        }
        Err(Broken::Refused(refused)) if refused.status.signal() == Some(9) => {
            Ok(ControlFlow::Continue(()))
        }
        Err(broken) => Err(broken),
    }
}

/// Opens the store undisturbed, compares, adds to it, and leaves it as `opening` wants it.
fn reopen(rig: &mut Rig, opening: Opening) -> Result<(), Broken> {
    rig.start()?;
    rig.compare()?;
    rig.send_one()?;
    match opening {
        Opening::Closed => rig.terminate(),
        Opening::Killed | Opening::Nothing => rig.kill(),
    }
}

/// Lets engines die at the deaths that `death` counts until one opens untouched; how many died.
/// `cut` is whether the power goes with each.
fn sweep(opening: Opening, cut: bool, death: impl Fn(u32) -> Death) -> Result<u32, Broken> {
    let make = || Rig::on(if cut { Disk::kept() } else { Disk::plain() });
    let mut rig = make();
    if opening != Opening::Nothing {
        rig.start()?;
        rig.load(12, 6)?;
        rig.rest();
        match opening {
            Opening::Closed => rig.terminate()?,
            Opening::Killed | Opening::Nothing => rig.kill()?,
        }
    }
    for n in 1..CALLS_MAX {
        let died = die(&mut rig, death(n)).map_err(|broken| at(death(n), &broken))?;
        if cut {
            rig.cut()?;
        }
        reopen(&mut rig, opening).map_err(|broken| at(death(n), &broken))?;
        if died.is_break() {
            if opening != Opening::Nothing {
                rig.start()?;
                rig.compare_all()?;
            }
            return Ok(n - 1);
        }
        if opening == Opening::Nothing {
            rig = make();
        }
    }
    Err(Broken::Failed(format!(
        "{:?} never opened untouched",
        death(CALLS_MAX)
    )))
}

fn at(death: Death, broken: &Broken) -> Broken {
    Broken::Failed(format!("after {death:?}: {broken}"))
}

/// Kills at every call of an opening; what was done, for people.
fn kill_everywhere(opening: Opening) -> Result<String, Broken> {
    let mut probe = system("strace");
    probe.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write"]);
    if let Err(why) = finish(probe.args(["-e", "inject=write:error=EIO:when=999", "true"])) {
        let died = sweep(opening, false, Death::Counted)?;
        return Ok(format!(
            "{opening:?}: {died} kills by the preloaded library (strace: {why})"
        ));
    }
    let mut told = Vec::new();
    for call in CALLS {
        let died = sweep(opening, false, |n| Death::Traced(call, n))?;
        told.push(format!("{call} {died}"));
    }
    Ok(format!("{opening:?}: kills by strace: {}", told.join(", ")))
}

fn shown(told: Result<String, Broken>) {
    println!("{}", told.unwrap_or_else(|broken| panic!("{broken}")));
}

fn cuts(opening: Opening) -> Result<String, Broken> {
    let died = sweep(opening, true, Death::Counted)?;
    assert!(died > 0, "the preloaded library saw no call of the opening");
    Ok(format!("{opening:?}: {died} power cuts"))
}

#[test]
fn a_kill_at_any_call_that_makes_a_store_leaves_one_that_opens() {
    shown(kill_everywhere(Opening::Nothing));
}

#[test]
fn a_kill_at_any_call_that_opens_a_closed_store_leaves_one_that_opens_with_everything() {
    shown(kill_everywhere(Opening::Closed));
}

#[test]
fn a_kill_at_any_call_that_opens_a_killed_store_leaves_one_that_opens_with_everything() {
    shown(kill_everywhere(Opening::Killed));
}

#[test]
fn a_power_cut_at_any_call_that_makes_a_store_leaves_one_that_opens() {
    shown(cuts(Opening::Nothing));
}

#[test]
fn a_power_cut_at_any_call_that_opens_a_closed_store_leaves_one_that_opens_with_everything() {
    shown(cuts(Opening::Closed));
}

#[test]
fn a_power_cut_at_any_call_that_opens_a_killed_store_leaves_one_that_opens_with_everything() {
    shown(cuts(Opening::Killed));
}
