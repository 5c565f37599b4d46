//! The real file system does what the seam promises, and a log on it lives through reopenings.

use super::*;
use crate::{Log, LogOptions, StoreId};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 64 << 10,
    max_record_bytes: 32 << 10,
};

fn mode(path: &Path) -> u32 {
    path.metadata().expect("metadata").permissions().mode() & 0o777
}

#[test]
fn a_directory_is_made_for_its_owner_alone_with_its_parents() {
    let root = tempfile::tempdir().expect("temporary directory");
    let path = root.path().join("data/log");
    let mut disk = RealDisk::new(&path).expect("make the directory");
    assert_eq!(
        (mode(&path), mode(&root.path().join("data"))),
        (0o700, 0o700)
    );
    assert_eq!(
        disk.unsynced_parents,
        [root.path().join("data"), root.path().to_path_buf()]
    );
    disk.sync_dir().expect("sync");
    assert!(disk.unsynced_parents.is_empty());
    let again = RealDisk::new(&path).expect("use the directory");
    assert_eq!(again.unsynced_parents, [root.path().join("data")]);
}

#[test]
fn a_directory_to_be_read_is_not_made() {
    let root = tempfile::tempdir().expect("temporary directory");
    let path = root.path().join("log");
    let error = RealDisk::existing(&path).expect_err("there is none");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!path.exists());
    std::fs::write(&path, b"a file").expect("write");
    let error = RealDisk::existing(&path).expect_err("it is a file");
    assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
}

#[test]
fn a_file_is_made_of_real_zero_bytes_for_its_owner_alone() {
    let root = tempfile::tempdir().expect("temporary directory");
    let mut disk = RealDisk::new(root.path()).expect("use the directory");
    let len = ZEROS as u64 + 4096;
    let mut file = disk.create("a", len).expect("create");
    file.sync_data().expect("sync");
    let found = root.path().join("a").metadata().expect("metadata");
    assert_eq!((found.len(), mode(&root.path().join("a"))), (len, 0o600));
    assert!(found.blocks() * 512 >= len, "the file has holes");
    assert_eq!(file.len().expect("length"), len);
    let error = disk.create("a", 1).expect_err("it is there");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn files_are_written_read_renamed_removed_and_listed() {
    let root = tempfile::tempdir().expect("temporary directory");
    std::fs::create_dir(root.path().join("a directory")).expect("make a directory");
    let mut disk = RealDisk::new(root.path()).expect("use the directory");
    let mut file = disk.create("a", 100).expect("create");
    file.write_at(90, b"0123456789").expect("write");
    disk.rename("a", "b").expect("rename");
    let mut bytes = [0; 4];
    let mut file = disk.open("b").expect("open");
    file.read_at(96, &mut bytes).expect("read");
    assert_eq!(bytes, *b"6789");
    let error = file.read_at(97, &mut bytes).expect_err("beyond the end");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(disk.list().expect("list"), ["b"]);
    disk.remove("b").expect("remove");
    assert!(disk.list().expect("list").is_empty());
}

#[test]
fn a_log_on_a_real_directory_lives_through_reopenings() {
    let root = tempfile::tempdir().expect("temporary directory");
    let path = root.path().join("log");
    let disk = || RealDisk::new(&path).expect("use the directory");
    let mut log = Log::create(disk(), OPTIONS, StoreId([1; 16]), 1).expect("create");
    let mut expected = Vec::new();
    for round in 2..6 {
        for length in [0, 100, 5000, 30_000] {
            let record = vec![round as u8; length];
            let number = log.append(&[&record]).expect("append");
            expected.push((number, record));
        }
        let settled = expected.remove(0).0;
        log.checkpoint(settled, b"state").expect("checkpoint");
        expected.retain(|(number, _)| *number > settled);
        log.seal(b"sealed").expect("seal");
        let scan = Log::scan(&mut disk(), &OPTIONS).expect("scan");
        assert_eq!(scan.seal.as_deref(), Some(&b"sealed"[..]));
        assert_eq!(scan.tail, expected);
        log = Log::take_over(disk(), OPTIONS, scan, round).expect("open");
        assert_eq!(log.opening(), round);
    }
    for entry in std::fs::read_dir(&path).expect("list") {
        let found = entry.expect("entry").metadata().expect("metadata");
        assert_eq!(found.len(), OPTIONS.segment_bytes);
    }
}

#[test]
fn a_log_that_may_not_be_written_can_be_scanned() {
    let root = tempfile::tempdir().expect("temporary directory");
    let disk = || RealDisk::existing(root.path()).expect("use the directory");
    let mut log = Log::create(disk(), OPTIONS, StoreId([1; 16]), 1).expect("create");
    log.append(&[b"there"]).expect("append");
    drop(log);
    for entry in std::fs::read_dir(root.path()).expect("list") {
        let path = entry.expect("entry").path();
        let read_only = std::fs::Permissions::from_mode(0o400);
        std::fs::set_permissions(path, read_only).expect("change the mode");
    }
    let scan = Log::scan(&mut disk(), &OPTIONS).expect("scan");
    assert_eq!(scan.last.0, 1);
}
