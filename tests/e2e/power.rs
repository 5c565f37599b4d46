//! Power cuts under the real binary: what it acknowledged is there afterwards, byte for byte.
//!
//! The store lies on an ext4 image that is shut down without flushing, or, where nothing can be
//! mounted, in a folder of which only synced bytes survive. Either way a cut is a cut: the engine
//! is killed with it, the disk comes back with what was durable, and the next engine must open the
//! store and show every event it had answered with 200, every result that later code had acted
//! upon and every journal the API had shown, if the answer came before the cut began.
//!
//! The same cuts with a sync taken away must lose something: else these tests could not see.

use std::path::Path;
use std::process::Command;

use disk::Disk;
use rig::{Broken, Rig};
use tools::{finish, system, tools};

pub(crate) mod disk;
pub(crate) mod engine;
#[path = "../faults/filler.rs"]
mod filler;
mod kept;
mod ledger;
mod load;
mod mount;
pub(crate) mod rig;
pub(crate) mod tools;

/// Cuts one store lives through before a fresh disk is taken.
const CUTS_PER_STORE: usize = 10;

/// Rounds a negative control gets to show what is lost.
const CONTROL_ROUNDS: u64 = 5;

/// In the path of every file of the log, and of no other.
const LOG: &str = "/log/";

/// In the path of every file of sled's, and of no other.
const TABLE: &str = "/gen-1/";

/// Loads a store and cuts its power, so many times; then lets all runs end and closes it.
fn cut_repeatedly(rig: &mut Rig, cuts: usize, seed: &mut u64) -> Result<(), Broken> {
    for _ in 0..cuts {
        rig.start()?;
        rig.compare()?;
        let (events, recorded) = amount(seed);
        rig.load(events, recorded)?;
        rig.cut()?;
    }
    finish_and_close(rig)
}

/// As [`cut_repeatedly`], but each cut falls on an engine that took over from a killed one.
fn kill_and_cut_repeatedly(rig: &mut Rig, cuts: usize, seed: &mut u64) -> Result<(), Broken> {
    for _ in 0..cuts {
        rig.start()?;
        rig.compare()?;
        let (events, recorded) = amount(seed);
        rig.load(events, recorded)?;
        rig.kill()?;
        rig.start()?;
        rig.compare()?;
        // Now and then next to nothing happens between the reopening and the cut.
        let (events, recorded) = amount(seed);
        if events % 3 == 0 {
            rig.load(1, 0)?
        } else {
            rig.load(events, recorded)?
        }
        rig.cut()?;
    }
    finish_and_close(rig)
}

fn finish_and_close(rig: &mut Rig) -> Result<(), Broken> {
    rig.start()?;
    rig.compare_all()?;
    rig.finish_runs()?;
    rig.terminate()?;
    let mut check = Command::new(env!("CARGO_BIN_EXE_stepwell-e2e-load"));
    check
        .args(["store", "check", "--data"])
        .arg(rig.disk.store())
        .envs(rig.environment());
    finish(&mut check).map_err(Broken::Failed)
}

/// How many events and results a round waits for.
fn amount(seed: &mut u64) -> (usize, usize) {
    let drawn = filler::next(seed);
    (4 + (drawn % 20) as usize, 1 + (drawn >> 32) as usize % 8)
}

/// Cuts under an engine for which syncs of the files that match `deaf` do nothing once it is
/// ready; what was found broken in each round.
fn cut_with_syncs_removed(deaf: &str, events: usize, recorded: usize) -> (String, Vec<Broken>) {
    let mut found = Vec::new();
    let mut variant = String::new();
    for round in 0..CONTROL_ROUNDS {
        let (disk, said) = Disk::make();
        variant = said;
        let mut rig = Rig::on(disk);
        let flag = rig.folder().join("deaf");
        let preload = tools().disk.clone();
        rig.environment = vec![
            ("LD_PRELOAD", preload.into()),
            ("FAULTS_DEAF", deaf.into()),
            ("FAULTS_DEAF_WHEN", flag.clone().into()),
        ];
        let mut lose = || {
            rig.start()?;
            rig.load(1, 1)?;
            std::fs::write(&flag, []).expect("make the engine's syncs deaf");
            if deaf == TABLE {
                write_behind(&rig.disk.store().join("gen-1/db"));
            }
            rig.load(events, recorded + round as usize)?;
            rig.cut()?;
            std::fs::remove_file(&flag).expect("make the engine's syncs work");
            rig.start()?;
            rig.compare_all()
        };
        found.extend(lose().err());
    }
    (variant, found)
}

/// Takes back the mark by which a file system writes through to the disk; some never had it.
fn write_behind(file: &Path) {
    finish(system("chattr").arg("-S").arg(file)).ok();
}

#[test]
fn nothing_acknowledged_is_lost_in_fifty_power_cuts() {
    let mut seed = 1;
    for store in 1..=5 {
        let (disk, variant) = Disk::make();
        let mut rig = Rig::on(disk);
        let done = cut_repeatedly(&mut rig, CUTS_PER_STORE, &mut seed);
        let (events, results, shown) = rig.counts();
        println!(
            "store {store}, {CUTS_PER_STORE} cuts, {variant}: \
             {events} events, {results} results, {shown} journals"
        );
        done.unwrap_or_else(|broken| panic!("{broken}"));
    }
}

#[test]
fn what_is_acknowledged_between_a_reopening_after_a_kill_and_a_power_cut_is_kept() {
    let (disk, variant) = Disk::make();
    let mut rig = Rig::on(disk);
    let done = kill_and_cut_repeatedly(&mut rig, CUTS_PER_STORE, &mut 2);
    let (events, results, shown) = rig.counts();
    println!("{variant}: {events} events, {results} results, {shown} journals");
    done.unwrap_or_else(|broken| panic!("{broken}"));
}

#[test]
fn nothing_acknowledged_is_lost_where_only_what_was_synced_survives() {
    let mut rig = Rig::on(Disk::kept());
    let done = kill_and_cut_repeatedly(&mut rig, CUTS_PER_STORE / 2, &mut 3);
    let (events, results, shown) = rig.counts();
    println!("{events} events, {results} results, {shown} journals");
    done.unwrap_or_else(|broken| panic!("{broken}"));
}

#[test]
fn without_the_sync_of_the_log_power_cuts_lose_what_was_acknowledged() {
    let (variant, found) = cut_with_syncs_removed(LOG, 8, 2);
    println!("{variant}: {found:#?}");
    assert!(
        found.iter().any(Broken::is_loss),
        "nothing was lost in {CONTROL_ROUNDS} rounds"
    );
    assert!(found.iter().all(Broken::is_loss), "something else broke");
}

#[test]
fn without_the_sync_of_the_checkpoint_power_cuts_lose_what_was_acknowledged() {
    let (variant, found) = cut_with_syncs_removed(TABLE, 160, 120);
    println!("{variant}: {found:#?}");
    assert!(
        found.iter().any(Broken::is_loss),
        "nothing was lost in {CONTROL_ROUNDS} rounds"
    );
    assert!(found.iter().all(Broken::is_loss), "something else broke");
}

#[test]
fn a_cut_keeps_what_was_synced_and_nothing_else_on_a_file_system() {
    let (disk, variant) = Disk::make();
    println!("{variant}");
    only_the_synced_survives(disk);
}

#[test]
fn a_cut_keeps_what_was_synced_and_nothing_else_in_a_folder() {
    only_the_synced_survives(Disk::kept());
}

/// Writes with and without a sync, cuts, looks.
fn only_the_synced_survives(mut disk: Disk) {
    let store = disk.store();
    let shell = |disk: &Disk, script: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-e", "-c", script])
            .env("STORE", disk.store())
            .envs(disk.environment());
        finish(&mut shell).expect("write files");
    };
    shell(
        &disk,
        "mkdir \"$STORE\"; cd \"$STORE\"
         echo kept > kept; echo renamed > old; sync kept old . ..
         mv old new; echo more >> kept; echo lost > lost",
    );
    disk.cut(None);
    let read = |name: &str| std::fs::read_to_string(store.join(name)).unwrap_or_default();
    assert_eq!(read("kept"), "kept\n");
    assert_eq!(read("old"), "renamed\n");
    assert_eq!(read("lost"), "");
    assert!(
        !Path::new(&store.join("new")).exists(),
        "a name that was not synced survived"
    );
    // What came back counts as durable.
    shell(&disk, "cd \"$STORE\"; echo later > later; sync later .");
    disk.cut(None);
    assert_eq!(read("kept"), "kept\n");
    assert_eq!(read("later"), "later\n");
}
