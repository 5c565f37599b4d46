//! The engine as a child process: started, waited for, killed.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// The key under which the engine accepts events.
pub(crate) const EVENT_KEY: &str = "load";

/// How long an engine gets to open its store and answer.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The exit code of `serve` when something stored is not what was written.
pub(crate) const CORRUPT: i32 = 7;

/// Variables for an engine's environment.
pub(crate) type Environment = Vec<(&'static str, OsString)>;

/// A running engine; killed when dropped.
pub(crate) struct Engine {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    /// Where it answers.
    pub(crate) url: String,
}

/// An engine that ended before it was ready.
#[derive(Debug)]
pub(crate) struct Refused {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// What it said.
    pub(crate) said: String,
}

/// The command that serves the store in `directory`.
pub(crate) fn serve(directory: &Path, environment: &Environment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwell-e2e-load"));
    command
        .args(["serve", "--port", "0", "--data"])
        .arg(directory);
    set(&mut command, environment);
    command
}

/// Puts `environment` and the settings of all engines here into `command`.
pub(crate) fn set(command: &mut Command, environment: &Environment) {
    command
        .env("STEPWELL_EVENT_KEYS", EVENT_KEY)
        .env("STEPWELL_EVENT_BYTES_MAX", (3 << 20).to_string())
        .env("STEPWELL_LOG", "warn")
        .envs(environment.iter().map(|(name, value)| (name, value)));
}

impl Engine {
    /// Starts `command` and waits until it answers, or has ended.
    pub(crate) fn start(command: Command) -> Result<Self, Refused> {
        let mut engine = Self::spawn(command);
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = engine.said.recv_timeout(left) else {
                assert!(
                    Instant::now() < deadline,
                    "engine not ready in time: {:?}",
                    engine.heard
                );
                // It closed its end: it is gone.
                let status = engine.child.wait().expect("wait for the engine");
                return Err(Refused {
                    status,
                    said: engine.heard.join("\n"),
                });
            };
            if let Some((_, rest)) = line.split_once("listens on ") {
                let url = rest.split(',').next().unwrap_or_default();
                engine.url = url.to_owned();
                return Ok(engine);
            }
            engine.heard.push(line);
        }
    }

    fn spawn(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // A group of its own, so that a tracer beside it ends with it.
        command.process_group(0);
        let mut child = command.spawn().expect("start the engine");
        let stderr = child.stderr.take().expect("the engine's stderr");
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            said,
            heard: Vec::new(),
            url: String::new(),
        }
    }

    /// Kills it as `kill -9` does and waits until it is gone; what it said since it was ready.
    pub(crate) fn kill(mut self) -> String {
        self.end();
        self.said.iter().collect::<Vec<_>>().join("\n")
    }

    /// Asks it to end in good order and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        kill(self.pid(), Signal::SIGTERM).expect("signal the engine");
        self.child.wait().expect("wait for the engine")
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }

    fn end(&mut self) {
        // Errors mean that it is gone already.
        killpg(self.pid(), Signal::SIGKILL).ok();
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end();
    }
}
