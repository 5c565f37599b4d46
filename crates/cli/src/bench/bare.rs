//! The floor: a bare group-commit loop with nothing behind it.
//!
//! Writers hand 96-byte records to one thread, which writes all that wait into space already
//! written and syncs once for the lot. No format, no checks, no store: what an engine that made
//! every step durable could reach at most on this disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::oneshot;

const RECORD: [u8; 96] = [0x5a; 96];
const FILE_BYTES: usize = 16 * 1024 * 1024;

/// What the loop came to.
pub(crate) struct Measured {
    /// Records made durable a second.
    pub(crate) per_s: f64,
    /// Median wait of a writer, in microseconds.
    pub(crate) median_us: f64,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<oneshot::Sender<()>>,
    closed: bool,
}

type Shared = Arc<(Mutex<Queue>, Condvar)>;

/// Runs the loop with `writers` for `each`.
///
/// # Errors
/// When the disk fails.
pub(crate) async fn measure(
    directory: &Path,
    writers: usize,
    each: Duration,
) -> anyhow::Result<Measured> {
    let path = directory.join("bare.log");
    let file = preallocated(&path).context("file of the bare loop cannot be written")?;
    let shared = Shared::default();
    let committer = {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || commit(&file, &shared))
    };
    let began = Instant::now();
    let until = began + each;
    let writing: Vec<_> = (0..writers)
        .map(|_| tokio::spawn(write(Arc::clone(&shared), until)))
        .collect();
    let mut waits = Vec::new();
    for writer in writing {
        waits.extend(writer.await?);
    }
    let took = began.elapsed();
    shared
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .closed = true;
    shared.1.notify_all();
    let committed = tokio::task::spawn_blocking(move || committer.join()).await?;
    committed.map_err(|_| anyhow::anyhow!("bare loop died"))??;
    waits.sort_unstable();
    let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
    Ok(Measured {
        per_s: waits.len() as f64 / took.as_secs_f64(),
        median_us: median.as_secs_f64() * 1e6,
    })
}

fn preallocated(path: &Path) -> std::io::Result<File> {
    let file = File::create(path)?;
    file.write_all_at(&vec![0; FILE_BYTES], 0)?;
    file.sync_all()?;
    Ok(file)
}

async fn write(shared: Shared, until: Instant) -> Vec<Duration> {
    let mut waits = Vec::new();
    loop {
        let began = Instant::now();
        if began >= until {
            return waits;
        }
        let (told, wait) = oneshot::channel();
        shared
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .waiting
            .push(told);
        shared.1.notify_one();
        if wait.await.is_err() {
            return waits;
        }
        waits.push(began.elapsed());
    }
}

fn commit(file: &File, shared: &Shared) -> std::io::Result<()> {
    let mut at = 0;
    let mut buffer = Vec::new();
    loop {
        let waiting = {
            let mut queue = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
            while queue.waiting.is_empty() && !queue.closed {
                queue = shared.1.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            std::mem::take(&mut queue.waiting)
        };
        if waiting.is_empty() {
            return Ok(());
        }
        buffer.clear();
        for _ in &waiting {
            buffer.extend_from_slice(&RECORD);
        }
        if at + buffer.len() > FILE_BYTES {
            at = 0;
        }
        file.write_all_at(&buffer, at as u64)?;
        file.sync_data()?;
        at += buffer.len();
        for told in waiting {
            // A writer waits for its last record before it looks at the time, so it listens.
            if told.send(()).is_err() {
                return Ok(());
            }
        }
    }
}
