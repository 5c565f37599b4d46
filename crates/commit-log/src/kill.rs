//! Named places where a test can have the process killed, as `kill -9` would.
//!
//! Without the feature `kill-points` a point is nothing at all. With it, two environment variables
//! count: `STEPWELL_KILL_AT=<name>:<n>` kills the process at the n-th time (from 1) it comes by
//! that point, and `STEPWELL_KILL_LOG=<file>` appends the name of every point passed, one a line.

/// A place where the process may be killed.
#[cfg(not(feature = "kill-points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}

#[cfg(feature = "kill-points")]
pub use armed::point;

#[cfg(feature = "kill-points")]
mod armed {
    use std::fs::OpenOptions;
    use std::io::{self, Write as _};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What the environment asks for, read once.
    struct Plan {
        /// The name of the deadly point, and how many times it may be passed before.
        kill: Option<(String, u64)>,
        log: Option<String>,
    }

    static PLAN: OnceLock<Plan> = OnceLock::new();
    static HITS: AtomicU64 = AtomicU64::new(0);

    /// A place where the process may be killed.
    pub fn point(name: &'static str) {
        let plan = PLAN.get_or_init(read_plan);
        if let Some(log) = &plan.log
            && note(log, name).is_err()
        {
            // A test that cannot see which points were passed must not go on as if none were.
            die();
        }
        if let Some((at, spared)) = &plan.kill
            && at == name
            && HITS.fetch_add(1, Ordering::Relaxed) == *spared
        {
            die();
        }
    }

    fn read_plan() -> Plan {
        let kill = match std::env::var("STEPWELL_KILL_AT") {
            Err(_) => None,
            Ok(text) => {
                let parsed = text.rsplit_once(':').and_then(|(name, n)| {
                    let n: u64 = n.parse().ok()?;
                    Some((name.to_owned(), n.checked_sub(1)?))
                });
                if parsed.is_none() {
                    // A sweep with a mistyped point would pass without killing anything.
                    die();
                }
                parsed
            }
        };
        Plan {
            kill,
            log: std::env::var("STEPWELL_KILL_LOG").ok(),
        }
    }

    fn note(log: &str, name: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(log)?;
        file.write_all(format!("{name}\n").as_bytes())
    }

    /// Dies on the spot: no unwinding, no destructors, no core file.
    fn die() -> ! {
        loop {
            // SIGKILL to itself cannot fail; should it be late, this thread does nothing more.
            if nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).is_err() {
                std::thread::yield_now();
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "kill-points")]
mod tests {
    use super::point;
    use crate::{Log, LogOptions, RealDisk, RecordNumber, StoreId};
    use std::os::unix::process::ExitStatusExt as _;
    use std::path::Path;
    use std::process::{Command, ExitStatus};

    /// Where the process under test writes; unset in an ordinary run of the tests.
    const DIRECTORY: &str = "STEPWELL_KILL_TEST_DIRECTORY";

    #[test]
    fn the_process_that_is_to_be_killed() {
        let Ok(directory) = std::env::var(DIRECTORY) else {
            return;
        };
        let options = LogOptions {
            segment_bytes: 64 << 10,
            max_record_bytes: 1000,
        };
        let disk = RealDisk::new(directory).expect("use the directory");
        let mut log = Log::create(disk, options, StoreId([1; 16]), 1).expect("create");
        for _ in 0..3 {
            log.append(&[b"record"]).expect("append");
        }
        log.checkpoint(RecordNumber(3), b"").expect("checkpoint");
        point("the-end");
    }

    fn run(root: &Path, kill_at: &str) -> (ExitStatus, String) {
        let names = root.join("names");
        let status = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "kill::tests::the_process_that_is_to_be_killed"])
            .env(DIRECTORY, root.join("log"))
            .env("STEPWELL_KILL_AT", kill_at)
            .env("STEPWELL_KILL_LOG", &names)
            .output()
            .expect("run this program")
            .status;
        (status, std::fs::read_to_string(names).unwrap_or_default())
    }

    #[test]
    fn a_point_kills_at_the_pass_that_was_asked_for_and_no_other() {
        let root = tempfile::tempdir().expect("temporary directory");
        let (status, names) = run(root.path(), "after-write:2");
        assert_eq!(status.signal(), Some(9));
        let passed: Vec<&str> = names.lines().collect();
        let expected = [
            "before-write",
            "after-write",
            "after-sync",
            "before-write",
            "after-write",
        ];
        assert_eq!(passed, expected);
    }

    #[test]
    fn every_point_of_the_log_is_noted() {
        let root = tempfile::tempdir().expect("temporary directory");
        let (status, names) = run(root.path(), "the-end:2");
        assert!(status.success());
        let passed: Vec<&str> = names.lines().collect();
        let record = ["before-write", "after-write", "after-sync"];
        let end = ["before-checkpoint", "after-checkpoint", "the-end"];
        assert_eq!(passed, [record, record, record, end].concat());
    }

    #[test]
    fn a_mistyped_point_kills_at_once() {
        let root = tempfile::tempdir().expect("temporary directory");
        for kill_at in ["after-write", "after-write:0", "after-write:x"] {
            assert_eq!(run(root.path(), kill_at).0.signal(), Some(9), "{kill_at}");
            std::fs::remove_dir_all(root.path().join("log")).expect("clean up");
        }
    }
}
