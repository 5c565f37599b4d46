//! The real binary as a process: an engine in the background, commands to their end.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the engine says when it is ready, before its URL.
const LISTENS: &str = "stepwell listens on ";

/// The binary, without any setting of whoever runs the tests.
pub(crate) fn stepwell() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwell-under-test"));
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Runs a command to its end.
pub(crate) fn ended(words: &[&str]) -> Output {
    stepwell().args(words).output().unwrap()
}

/// Runs a command to its end with `input` on standard input.
pub(crate) fn fed(words: &[&str], input: &str) -> Output {
    let mut child = stepwell()
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

/// A command that goes on until its standard input ends; killed when dropped.
pub(crate) struct Waiting(Child);

impl Waiting {
    pub(crate) fn start(words: &[&str]) -> Self {
        let child = stepwell()
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until it has `data` open.
    pub(crate) fn until_it_holds(&self, data: &Path) {
        let begun = Instant::now();
        let own = format!("{}\n", self.pid());
        while !std::fs::read_to_string(data.join("lock")).is_ok_and(|holder| holder == own) {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} is never opened",
                data.display()
            );
            std::thread::yield_now();
        }
    }

    /// Writes `line`, ends its standard input, and answers what it printed.
    pub(crate) fn told(&mut self, line: &str) -> String {
        let mut input = self.0.stdin.take().unwrap();
        writeln!(input, "{line}").unwrap();
        drop(input);
        let mut text = String::new();
        let mut output = self.0.stdout.take().unwrap();
        output.read_to_string(&mut text).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
        text
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Already gone when it was waited for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The exit code and what was said on standard error.
pub(crate) fn refusal(output: &Output) -> (i32, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

/// Standard output of a command that went well.
pub(crate) fn printed(output: &Output) -> String {
    let (code, said) = refusal(output);
    assert_eq!(code, 0, "{said}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard output of a command that went well, as JSON.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(&printed(output)).unwrap()
}

/// An engine in the background; killed when dropped.
pub(crate) struct Served {
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
    pub(crate) url: String,
}

impl Served {
    /// `stepwell dev` on `data`: the products' stand-ins inside, event key `dev`, a free port.
    pub(crate) fn dev(data: &Path) -> Self {
        let mut command = stepwell();
        command.args(["dev", "--port", "0", "--data"]).arg(data);
        Self::start(command)
    }

    /// Starts `command` and waits until it says where it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let said = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                // Read to the end even when nobody asks: a full pipe would stop the engine.
                drop(sender.send(line));
            }
        });
        let mut served = Self {
            child,
            lines,
            heard: Vec::new(),
            url: String::new(),
        };
        let line = served.until_said(LISTENS);
        let rest = line.strip_prefix(LISTENS).unwrap();
        served.url = rest.split(',').next().unwrap().to_owned();
        served
    }

    /// The message of the next line that holds `words`.
    pub(crate) fn until_said(&mut self, words: &str) -> String {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let said = message(&line);
                    self.heard.push(line);
                    if said.contains(words) {
                        return said;
                    }
                }
                Err(error) => panic!("never said {words:?} ({error}): {:#?}", self.heard),
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).unwrap();
    }

    /// Every line it says until its end, as they stand there.
    pub(crate) fn every_line(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.heard);
        lines.extend(self.lines.iter());
        lines
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// SIGTERM, and the end.
    pub(crate) fn stop(self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(client().get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        answer(client().post(format!("{}{path}", self.url)).body(body)).await
    }

    /// Waits until `step` of the run of an event is in flight.
    pub(crate) async fn in_flight(&self, event: &str, step: &str) {
        let (_, runs) = self.get(&format!("/v1/events/{event}/runs")).await;
        let run = runs["data"][0]["run_id"].as_str().unwrap().to_owned();
        let begun = Instant::now();
        loop {
            let (_, run) = self.get(&format!("/v1/runs/{run}")).await;
            if run["in_flight"]["step"] == step {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{step} is never in flight: {run}"
            );
            tokio::task::yield_now().await;
        }
    }

    /// The runs of an event, once all have ended.
    pub(crate) async fn ended_runs(&self, event: &str) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let (status, body) = self.get(&format!("/v1/events/{event}/runs")).await;
            assert_eq!(status, 200, "{body}");
            let runs = body["data"].as_array().unwrap().clone();
            if runs.iter().all(|run| !run["ended_at"].is_null()) {
                return runs;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "runs of {event} do not end: {runs:?}"
            );
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already gone when it was waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a line of a log says: its message when it is an object, else all of it.
fn message(line: &str) -> String {
    match serde_json::from_str::<Value>(line) {
        Ok(object) => object["message"].as_str().unwrap_or_default().to_owned(),
        Err(_) => line.to_owned(),
    }
}

pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .unwrap()
}

pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.timeout(PATIENCE).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// An order the stand-ins fulfil, as an event under `id`.
pub(crate) fn order(id: &str) -> String {
    serde_json::json!({
        "name": "store/order.placed",
        "id": id,
        "data": {
            "orderId": format!("ord_{id}"),
            "stripePaymentIntentId": format!("pi_{id}"),
            "amountTotal": 2800,
            "currency": "usd",
            "encrypted": { "customerEmail": "ada@customer.example" },
            "lineItems": [{ "quantity": 1, "amountTotal": 2800, "variantId": "var_step-socks-one" }],
        },
    })
    .to_string()
}
