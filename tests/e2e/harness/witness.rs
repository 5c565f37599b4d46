//! Who sees every body of the tests' workflows and tells it what to do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::patience::soon;

/// A body that began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) workflow: String,
    pub(crate) order: String,
    pub(crate) step: String,
    pub(crate) attempt: u32,
}

/// What a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Succeed.
    Go,
    /// Fail, to be tried again.
    Fail,
    /// Take the process down.
    Abort,
    /// Nothing, until the witness decides otherwise.
    Hold,
}

type Decide = dyn Fn(&Call) -> Answer + Send + Sync;

/// The listener bodies talk to. It outlives every engine.
pub(crate) struct Witness {
    address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    calls: Mutex<Vec<Call>>,
    /// Bodies that are held ask again whenever it changes.
    decide: watch::Sender<Arc<Decide>>,
}

impl Witness {
    /// Listens, and decides by `decide`.
    pub(crate) async fn start(
        decide: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen {
            calls: Mutex::default(),
            decide: watch::Sender::new(Arc::new(decide)),
        });
        let listening = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((body, _)) = listener.accept().await {
                let seen = Arc::clone(&listening);
                // A body that is killed while it talks said nothing that counts.
                tokio::spawn(async move { seen.hear(body).await.ok() });
            }
        });
        Ok(Self { address, seen })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Decides otherwise from here on, also for the bodies that are held.
    pub(crate) fn decide(&self, decide: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        self.seen.decide.send_replace(Arc::new(decide));
    }

    /// Every body seen so far, in the order they began.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.seen.calls).clone()
    }

    /// The attempts seen of each step of `workflow`, by order and step.
    pub(crate) fn attempts(&self, workflow: &str) -> BTreeMap<(String, String), Vec<u32>> {
        let mut attempts: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for call in self.calls() {
            if call.workflow == workflow {
                attempts
                    .entry((call.order, call.step))
                    .or_default()
                    .push(call.attempt);
            }
        }
        attempts
    }

    /// Waits until a body of `step` for `order` was seen.
    pub(crate) async fn sees(&self, order: &str, step: &str) -> Result<()> {
        let what = format!("step {step} of {order} to begin");
        let began = |call: &Call| call.order == order && call.step == step;
        soon(&what, async || {
            Ok(self.calls().iter().any(began).then_some(()))
        })
        .await
    }
}

impl Seen {
    async fn hear(&self, mut body: TcpStream) -> Result<()> {
        let mut line = String::new();
        BufReader::new(&mut body).read_line(&mut line).await?;
        let call = parse(&line).with_context(|| format!("a body said {line:?}"))?;
        let mut decide = self.decide.subscribe();
        lock(&self.calls).push(call.clone());
        loop {
            let answer = decide.borrow_and_update()(&call);
            let said = match answer {
                Answer::Go => "go\n",
                Answer::Fail => "fail\n",
                Answer::Abort => "abort\n",
                Answer::Hold => {
                    decide.changed().await?;
                    continue;
                }
            };
            return Ok(body.write_all(said.as_bytes()).await?);
        }
    }
}

fn parse(line: &str) -> Option<Call> {
    let mut words = line.strip_suffix('\n')?.split('\t').map(str::to_owned);
    Some(Call {
        workflow: words.next()?,
        order: words.next()?,
        step: words.next()?,
        attempt: words.next()?.parse().ok()?,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
