//! The real table: what the simulated one promises holds for sled, and its file is marked.

use std::fs::File;

use tempfile::TempDir;

use super::{SledTable, prepare_file};
use crate::table::{Batch, Order, Table};

fn filled() -> (TempDir, SledTable) {
    let home = TempDir::new().unwrap();
    let table = SledTable::open(home.path()).unwrap();
    let mut batch = Batch::default();
    for nth in 0..10u8 {
        batch.put(vec![b'k', nth], vec![nth; 100]);
    }
    table.apply(batch).unwrap();
    (home, table)
}

fn keys(table: &SledTable, from: &[u8], to: Option<&[u8]>, order: Order, limit: usize) -> Vec<u8> {
    let rows = table.scan(from, to, order, limit).unwrap();
    rows.iter().map(|(key, _)| key[1]).collect()
}

#[test]
fn scans_keep_to_their_bounds_in_both_orders() {
    let (_home, table) = filled();
    let (from, to) = (&[b'k', 3][..], Some(&[b'k', 6][..]));
    assert_eq!(keys(&table, from, to, Order::Ascending, 9), [3, 4, 5]);
    assert_eq!(keys(&table, from, to, Order::Descending, 2), [5, 4]);
    assert_eq!(keys(&table, from, None, Order::Ascending, 2), [3, 4]);
    assert!(keys(&table, b"l", None, Order::Ascending, 2).is_empty());
}

#[test]
fn a_closed_table_opens_at_once_with_what_was_applied() {
    let (home, table) = filled();
    let mut batch = Batch::default();
    batch.delete(&b"k\x00"[..]);
    batch.put(&b"k\x01"[..], &b"first"[..]);
    batch.put(&b"k\x01"[..], &b"last"[..]);
    table.apply(batch).unwrap();
    table.barrier().unwrap();
    assert!(table.close().unwrap(), "sled still holds its files");
    let table = SledTable::open(home.path()).unwrap();
    assert_eq!(table.get(b"k\x00").unwrap(), None);
    assert_eq!(table.get(b"k\x01").unwrap(), Some(b"last".to_vec()));
    assert_eq!(table.get(b"k\x02").unwrap(), Some(vec![2; 100]));
    table.close().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn the_file_writes_through_where_the_file_system_can() {
    use rustix::fs::{IFlags, ioctl_getflags};
    let home = TempDir::new().unwrap();
    let path = home.path().join("db");
    let through = prepare_file(&path).unwrap();
    // Where it cannot, the flags may not be readable either.
    let marked = ioctl_getflags(File::open(&path).unwrap());
    let marked = marked.is_ok_and(|flags| flags.contains(IFlags::SYNC));
    assert_eq!(marked, through);
    assert_eq!(prepare_file(&path).unwrap(), through);
}
