//! The embedded store on real files: damage, leftovers, and what must never appear.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use stepwell_core::Seq;
use stepwell_store::{ReadError, Seen, Store as _, keys};
use stepwell_store_sled::{OpenError, SledStore, scrub};
use stepwell_testkit::scripts::Script;
use stepwell_testkit::wait::wait;
use tempfile::TempDir;

use crate::store::small;

/// A directory with a store of three runs in it, not open.
fn filled(close: bool) -> (TempDir, Vec<Script>) {
    let home = TempDir::new().unwrap();
    let store = SledStore::open(home.path(), small()).unwrap();
    let mut scripts = Vec::new();
    for nth in 1..4 {
        let mut script = Script::new(nth);
        wait(store.commit(script.start(store.fence(), Seen::OWNER))).unwrap();
        for bytes in [10, 5_000, 100_000, 1 << 20] {
            wait(store.commit(script.step(store.fence(), bytes))).unwrap();
        }
        scripts.push(script);
    }
    if close {
        store.close().unwrap();
    }
    drop(store);
    (home, scripts)
}

/// Every file below `directory` with its bytes, but for the lock.
fn snapshot(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().unwrap() != "lock" {
                let bytes = fs::read(&path).unwrap();
                files.insert(path, bytes);
            }
        }
    }
    files
}

fn error_of(home: &Path) -> OpenError {
    match SledStore::open(home, small()) {
        Ok(_) => panic!("the store opened"),
        Err(error) => error,
    }
}

fn check(store: &SledStore, scripts: &[Script]) {
    for script in scripts {
        assert_eq!(store.journal(script.run()).unwrap(), script.entries());
    }
    let verified = store.verify().unwrap();
    assert!(verified.is_clean(), "{verified:?}");
    assert_eq!(verified.runs, scripts.len() as u64);
}

#[test]
fn large_payloads_leave_no_blob_and_survive_an_end_without_closing() {
    let (home, scripts) = filled(false);
    let blobs = home.path().join("gen-1/blobs");
    assert_eq!(fs::read_dir(&blobs).unwrap().count(), 0);
    let store = SledStore::open(home.path(), small()).unwrap();
    check(&store, &scripts);
    let info = store.info().unwrap();
    assert_eq!(
        (info.runs, info.opening, info.sealed),
        (3, store.fence().0, false)
    );
    store.close().unwrap();
    drop(store);
    assert_eq!(fs::read_dir(&blobs).unwrap().count(), 0);
    let store = SledStore::open_existing(home.path(), small()).unwrap();
    check(&store, &scripts);
    let info = store.info().unwrap();
    assert_eq!((info.sealed, info.tail_records), (true, 0));
}

#[test]
fn many_large_payloads_in_a_hurry_leave_no_blob() {
    let home = TempDir::new().unwrap();
    let store = SledStore::open(home.path(), small()).unwrap();
    let mut tickets = Vec::new();
    let mut scripts: Vec<Script> = (1..20).map(Script::new).collect();
    for script in &mut scripts {
        tickets.push(store.commit(script.start(store.fence(), Seen::OWNER)));
    }
    for bytes in [4_060, 8_000, 30_000, 300_000, 4_096, 16_000] {
        for script in &mut scripts {
            tickets.push(store.commit(script.step(store.fence(), bytes)));
        }
    }
    for ticket in tickets {
        wait(ticket).unwrap();
    }
    check(&store, &scripts);
    let blobs = home.path().join("gen-1/blobs");
    assert_eq!(fs::read_dir(&blobs).unwrap().count(), 0);
}

#[test]
fn a_damaged_value_names_its_run_and_entry_and_the_others_go_on() {
    let (home, mut scripts) = filled(false);
    let damaged = scripts.remove(1).run();
    {
        let db = sled::open(home.path().join("gen-1")).unwrap();
        let key = keys::journal(damaged, Seq(2));
        let mut value = db.get(&key).unwrap().unwrap().to_vec();
        value[50] ^= 1;
        db.insert(key, value).unwrap();
        db.flush().unwrap();
    }
    let store = SledStore::open(home.path(), small()).unwrap();
    match store.journal(damaged) {
        Err(ReadError::Damaged { run, seq, .. }) => assert_eq!((run, seq), (damaged, Seq(2))),
        read => panic!("{read:?}"),
    }
    let verified = store.verify().unwrap();
    assert_eq!(verified.damage.len(), 1, "{verified:?}");
    for script in &mut scripts {
        assert_eq!(store.journal(script.run()).unwrap(), script.entries());
        wait(store.commit(script.step(store.fence(), 10))).unwrap();
    }
    store.close().unwrap();
}

#[test]
fn a_flipped_byte_in_any_file_of_a_closed_store_is_named_and_nothing_is_rewritten() {
    let (home, scripts) = filled(true);
    let files = snapshot(home.path());
    let sled: Vec<&PathBuf> = files
        .keys()
        .filter(|path| path.starts_with(home.path().join("gen-1")))
        .collect();
    assert!(sled.len() >= 2, "{sled:?}");
    for path in sled {
        let whole = &files[path];
        for at in [0, whole.len() / 3, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(path, &bytes).unwrap();
            let before = snapshot(home.path());
            let OpenError::Corrupt { file, offset, .. } = error_of(home.path()) else {
                panic!("{} at {at}", path.display());
            };
            assert_eq!(home.path().join(file), *path);
            let block = at / (64 << 10) * (64 << 10);
            assert_eq!(offset, Some(block as u64));
            assert!(scrub(home.path(), &small()).is_err());
            assert!(snapshot(home.path()) == before, "something was rewritten");
        }
        fs::write(path, whole).unwrap();
    }
    let report = scrub(home.path(), &small()).unwrap();
    assert!(report.sealed);
    let store = SledStore::open(home.path(), small()).unwrap();
    check(&store, &scripts);
}

#[test]
fn a_flipped_byte_in_the_log_is_named_and_nothing_is_rewritten() {
    let home = TempDir::new().unwrap();
    let store = SledStore::open(home.path(), small()).unwrap();
    let mut script = Script::new(1);
    wait(store.commit(script.start(store.fence(), Seen::OWNER))).unwrap();
    for _ in 0..5 {
        wait(store.commit(script.step(store.fence(), 500))).unwrap();
    }
    drop(store);
    let files = snapshot(home.path());
    let log = files
        .keys()
        .find(|path| {
            let text = b"ssssssssssssssssssss";
            path.starts_with(home.path().join("log"))
                && files[*path]
                    .windows(text.len())
                    .any(|window| window == text)
        })
        .unwrap();
    let mut bytes = files[log].clone();
    let at = bytes.iter().position(|byte| *byte == b's').unwrap();
    bytes[at] ^= 1;
    fs::write(log, &bytes).unwrap();
    let before = snapshot(home.path());
    let OpenError::Corrupt { file, offset, .. } = error_of(home.path()) else {
        panic!("the log opened");
    };
    assert_eq!(home.path().join(file), *log);
    assert!(
        offset.unwrap().abs_diff(at as u64) < 8 << 10,
        "{offset:?} for {at}"
    );
    assert!(snapshot(home.path()) == before, "something was rewritten");
    fs::write(log, &files[log]).unwrap();
    check(&SledStore::open(home.path(), small()).unwrap(), &[script]);
}

#[test]
fn a_store_that_lost_a_part_is_never_opened_empty() {
    for lost in ["gen-1", "log", "gen-1/db", "gen-1/conf"] {
        for close in [true, false] {
            let (home, _) = filled(close);
            let path = home.path().join(lost);
            if path.is_dir() {
                fs::remove_dir_all(&path).unwrap();
            } else {
                fs::remove_file(&path).unwrap();
            }
            let before = snapshot(home.path());
            let error = error_of(home.path());
            assert!(
                matches!(error, OpenError::Corrupt { .. }),
                "{lost}: {error}"
            );
            assert!(snapshot(home.path()) == before, "something was rewritten");
        }
    }
}

#[test]
fn a_table_replaced_by_an_empty_one_is_corruption() {
    let (home, _) = filled(false);
    let generation = home.path().join("gen-1");
    fs::remove_dir_all(&generation).unwrap();
    drop(sled::open(&generation).unwrap());
    let error = error_of(home.path());
    let OpenError::Corrupt { file, what, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(file, "gen-1/db");
    assert_eq!(what, "settled row is damaged: it is missing");
}

#[test]
fn an_older_copy_of_the_table_is_corruption() {
    let (home, scripts) = filled(false);
    let generation = home.path().join("gen-1");
    let old = snapshot(&generation);
    {
        let store = SledStore::open(home.path(), small()).unwrap();
        let mut script = scripts[0].clone();
        wait(store.commit(script.step(store.fence(), 10))).unwrap();
        store.close().unwrap();
        // A later opening, so that no seal names the very bytes.
    }
    drop(SledStore::open(home.path(), small()).unwrap());
    for path in snapshot(&generation).keys() {
        fs::remove_file(path).unwrap();
    }
    for (path, bytes) in old {
        fs::write(path, bytes).unwrap();
    }
    let error = error_of(home.path());
    assert!(
        error.to_string().contains("settled rows are lost"),
        "{error}"
    );
}

#[test]
fn what_an_interrupted_opening_left_behind_is_quarantined() {
    let (home, scripts) = filled(false);
    let left = home.path().join("gen-1/snap.FFFFFFFFFFFFFFFF.generating");
    for nth in 0..2 {
        fs::write(&left, format!("half a snapshot {nth}")).unwrap();
        let store = SledStore::open(home.path(), small()).unwrap();
        check(&store, &scripts);
        assert!(!left.exists());
    }
    let quarantine = home.path().join("quarantine");
    assert_eq!(fs::read_dir(quarantine).unwrap().count(), 2);
}

#[test]
fn a_value_outside_the_synced_file_refuses_the_store() {
    let (home, _) = filled(false);
    fs::write(home.path().join("gen-1/blobs/42"), b"blob").unwrap();
    let OpenError::Corrupt { file, .. } = error_of(home.path()) else {
        panic!("the store opened");
    };
    assert_eq!(file, "gen-1/blobs/42");
}

#[test]
fn a_making_that_was_interrupted_anywhere_is_begun_again() {
    let whole = TempDir::new().unwrap();
    drop(SledStore::open(whole.path(), small()).unwrap());
    let (of_table, of_log) = ("gen-1", "log");
    for parts in [&[][..], &[of_table], &[of_table, of_log]] {
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("creating"), b"").unwrap();
        for part in parts {
            fs::create_dir(home.path().join(part)).unwrap();
            fs::write(home.path().join(part).join("db"), b"half").unwrap();
        }
        let store = SledStore::open(home.path(), small()).unwrap();
        let mut script = Script::new(1);
        wait(store.commit(script.start(store.fence(), Seen::OWNER))).unwrap();
        check(&store, &[script]);
        assert!(!home.path().join("creating").exists());
    }
}

#[test]
fn a_store_in_use_is_never_taken_for_a_half_made_one() {
    let (home, _) = filled(true);
    fs::write(home.path().join("creating"), b"").unwrap();
    let before = snapshot(home.path());
    let error = error_of(home.path());
    assert!(
        matches!(&error, OpenError::Corrupt { file, .. } if file == "creating"),
        "{error}"
    );
    assert!(snapshot(home.path()) == before, "something was rewritten");
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let home = TempDir::new().unwrap();
    fs::write(home.path().join("letter.txt"), b"dear reader").unwrap();
    let error = error_of(home.path());
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let missing = home.path().join("absent");
    for error in [
        SledStore::open_existing(&missing, small()).err().unwrap(),
        scrub(&missing, &small()).unwrap_err(),
    ] {
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    }
    assert!(!missing.exists());
}

#[test]
fn nobody_else_may_read_the_store() {
    let home = TempDir::new().unwrap();
    let place = home.path().join("deep/data");
    drop(SledStore::open(&place, small()).unwrap());
    let mode = |path: &str| {
        let metadata = fs::metadata(place.join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    for directory in ["", "log", "gen-1"] {
        assert_eq!(mode(directory), 0o700, "{directory}");
    }
    for file in ["lock", "gen-1/db", "gen-1/conf"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}
