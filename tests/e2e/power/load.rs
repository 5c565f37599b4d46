//! Load on an engine: events over several connections, journals looked at, bodies listened to.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::engine::EVENT_KEY;
use super::ledger::{Ledger, Offer, Shown};

/// Connections that send events.
const SENDERS: usize = 4;

/// What ends the listening thread.
const HUSH: &[u8] = b"hush";

/// Senders and a watcher of journals; they end with the engine, or when this is dropped.
pub(crate) struct Load {
    work: JoinSet<()>,
}

impl Load {
    /// Starts sending to the engine at `url` the offers that `next` counts.
    pub(crate) fn start(
        runtime: &Handle,
        client: &Client,
        url: &str,
        ledger: &Arc<Ledger>,
        next: &Arc<AtomicU64>,
    ) -> Self {
        let mut work = JoinSet::new();
        ledger.change(|account| {
            account.senders = SENDERS;
            account.stopped.clear();
        });
        for _ in 0..SENDERS {
            let (client, ledger, next) = (client.clone(), Arc::clone(ledger), Arc::clone(next));
            let url = format!("{url}/e/{EVENT_KEY}");
            let sending = async move {
                let why = loop {
                    let offer = Offer(next.fetch_add(1, Ordering::Relaxed));
                    match send(&client, &url, &ledger, offer).await {
                        Ok(()) => {}
                        Err(why) => break why,
                    }
                };
                ledger.change(|account| {
                    account.senders -= 1;
                    account.stopped.push(why);
                });
            };
            work.spawn_on(sending, runtime);
        }
        let watching = watch(client.clone(), url.to_owned(), Arc::clone(ledger));
        work.spawn_on(watching, runtime);
        Self { work }
    }

    /// Stops; nobody touches the account any more when this returns.
    pub(crate) async fn stop(mut self) {
        self.work.shutdown().await;
    }
}

/// Sends one event and notes that it is acknowledged, or says why it is not.
pub(crate) async fn send(
    client: &Client,
    url: &str,
    ledger: &Ledger,
    offer: Offer,
) -> Result<(), String> {
    let event = json!({ "id": offer.id(), "name": "load/offered", "data": offer.data() });
    let answer = client.post(url).json(&event).send().await;
    let answer = answer.map_err(|error| error.to_string())?;
    let status = answer.status();
    // The whole answer, not only its head, is the acknowledgement.
    let body = answer
        .json::<Value>()
        .await
        .map_err(|error| error.to_string())?;
    match status {
        StatusCode::OK => {
            assert_eq!(
                body["ids"],
                json!([offer.id()]),
                "another event was acknowledged"
            );
            ledger.change(|account| account.events.push((offer, Instant::now())));
            Ok(())
        }
        other => Err(format!("{other}: {body}")),
    }
}

/// Looks at journals of runs that recorded something and notes what was shown.
async fn watch(client: Client, url: String, ledger: Arc<Ledger>) {
    loop {
        let run = ledger.lock().next_unwatched();
        match run {
            None => ledger.changed().await,
            Some(run) => {
                let Ok(Some(journal)) = get(&client, &format!("{url}/v1/runs/{run}/journal")).await
                else {
                    return;
                };
                let entries = entries(&journal);
                let shown = Shown {
                    run,
                    entries,
                    at: Instant::now(),
                };
                ledger.change(|account| account.shown.push(shown));
            }
        }
    }
}

/// What is at `url`; nothing when it says that there is no such thing.
pub(crate) async fn get(client: &Client, url: &str) -> Result<Option<Value>, String> {
    let answer = client
        .get(url)
        .send()
        .await
        .map_err(|error| format!("{url}: {error}"))?;
    match answer.status() {
        StatusCode::OK => Ok(Some(
            answer
                .json()
                .await
                .map_err(|error| format!("{url}: {error}"))?,
        )),
        StatusCode::NOT_FOUND => Ok(None),
        other => Err(format!(
            "{url}: {other}: {}",
            answer.text().await.unwrap_or_default()
        )),
    }
}

/// The entries of a journal.
pub(crate) fn entries(journal: &Value) -> Vec<Value> {
    journal["entries"].as_array().cloned().unwrap_or_default()
}

/// A client that speaks to this machine alone.
pub(crate) fn client() -> Client {
    let client = Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(60));
    client.build().expect("an HTTP client")
}

/// Listens to what bodies tell; the socket outlives every engine.
pub(crate) struct Listener {
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens at `path` and notes in `ledger`.
    pub(crate) fn start(path: &Path, ledger: &Arc<Ledger>) -> Self {
        let socket = UnixDatagram::bind(path).expect("listen to bodies");
        let ledger = Arc::clone(ledger);
        let thread = std::thread::spawn(move || {
            let mut line = [0; 512];
            while let Ok(length) = socket.recv(&mut line) {
                let at = Instant::now();
                if &line[..length] == HUSH {
                    return;
                }
                let line = String::from_utf8_lossy(&line[..length]);
                ledger.change(|account| account.note(&line, at));
            }
        });
        Self {
            path: path.to_owned(),
            thread: Some(thread),
        }
    }

    /// Where bodies tell.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let hushed = UnixDatagram::unbound().and_then(|socket| socket.send_to(HUSH, &self.path));
        if let (Ok(_), Some(thread)) = (hushed, self.thread.take()) {
            drop(thread.join());
        }
    }
}
