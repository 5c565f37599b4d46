//! The file: who may read it, how it is written, and what it refuses.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::testing::Scratch;

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    let scratch = Scratch::new().await;
    for entry in std::fs::read_dir(scratch.dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn every_connection_syncs_its_commits_and_checks_references() {
    let scratch = Scratch::new().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut connection = scratch.pool.acquire().await.unwrap();
        for (pragma, expected) in [("PRAGMA synchronous", 2), ("PRAGMA foreign_keys", 1)] {
            let value: i64 = sqlx::query_scalar(pragma)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
        held.push(connection);
    }
}

#[tokio::test]
async fn a_schema_newer_than_the_program_is_refused_and_left_alone() {
    let scratch = Scratch::new().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&scratch.pool)
    .await
    .unwrap();
    let file = scratch.dir.path().join("shop.db");
    let error = open(SqliteConnectOptions::new().filename(file))
        .await
        .unwrap_err();
    assert!(matches!(error, OpenError::Migrate { .. }), "{error}");
    assert!(error.to_string().contains("shop.db"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shop.db");
    let text = "these are not the tables you are looking for".repeat(100);
    std::fs::write(&file, &text).unwrap();
    let error = open(SqliteConnectOptions::new().filename(&file))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("shop.db"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}
