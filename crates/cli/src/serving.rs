//! What `serve` and `dev` share: open everything in order, serve, and close in the reverse order.
//!
//! The order matters. The address is bound first, so that a taken port is found before the store
//! is touched; connections wait until the engine has recovered. On a signal intake stops first
//! and the store is closed last, sealed. When the store stops writing the process ends at once
//! without closing anything: only a fresh opening may say what became durable.

mod open_runs;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use stepwell::Registry;
use stepwell_engine::{Clock, Drained, Engine, Options};
use stepwell_server::{Keys, Server, Settings, StoreLook, Token};
use stepwell_store::{CommitError, Store};
use stepwell_store_sled::SledStore;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::engine_file::EngineFile;
use crate::exit::Exit;
use crate::facts::store_facts;
use crate::failure::Failure;
use crate::product::{Connected, Environment, Product, Routes, Setting};
use crate::talk::say;

/// The file in the data directory where attempts in flight are marked.
const IN_FLIGHT: &str = "in-flight";

/// How long requests in progress get to be answered once the engine has drained.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How long requests are still answered once the store has stopped writing.
const FAREWELL: Duration = Duration::from_millis(250);

/// Everything `serve` opened.
struct Open {
    server: Server,
    engine: Engine,
    store: Arc<SledStore>,
    routes: Vec<Routes>,
}

/// Serves until a signal comes, or the store stops writing. `ready` is called with the engine's
/// URL once it answers.
pub(crate) async fn serve(
    products: &[Box<dyn Product>],
    config: Config,
    environment: &Environment,
    ready: impl FnOnce(&str),
) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let Open {
        mut server,
        engine,
        store,
        routes,
    } = Box::pin(open(products, &config, environment)).await?;
    let address = server
        .address()
        .map_err(|error| not_bound(&config, &error))?;
    let url = format!("http://{}", reachable(address));
    let engine_file = EngineFile {
        pid: std::process::id(),
        url: url.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    engine_file.write(store.dir()).map_err(|error| {
        let data = store.dir().display();
        let sentence = format!("engine.json cannot be written in {data}: {error}");
        Failure::said(Exit::Io, "store-io", sentence)
    })?;
    let looking = open_runs::look(&engine).await;
    let settings = settings(&config, &engine, &store, routes);
    let router = stepwell_server::router(engine.clone(), settings);
    ready(&url);
    let drain_limit = config.drain_limit;
    let ending = async {
        let name = signals.next().await;
        let limit_s = drain_limit.as_secs();
        say(format_args!(
            "{name}: draining for up to {limit_s} s; once more to stop at once"
        ));
        tokio::spawn(async move {
            signals.next().await;
            leave(Exit::Interrupted);
        });
        looking.abort();
        engine.drain(drain_limit).await
    };
    // Requests are answered to the end: while the engine drains they hear that it does.
    let drained = tokio::select! {
        drained = ending => drained,
        () = server.accept(router.clone()) => Drained { parked: 0 },
        why = engine.failed() => {
            // Whoever waits for an answer hears that there is none, then nobody is waited for.
            drop(tokio::time::timeout(FAREWELL, server.accept(router)).await);
            stop_at_once(&why)
        }
    };
    close(server, store, drained).await
}

async fn open(
    products: &[Box<dyn Product>],
    config: &Config,
    environment: &Environment,
) -> Result<Open, Failure> {
    let address = SocketAddr::new(config.bind, config.port);
    let server = Server::bind(address, config.limits)
        .await
        .map_err(|error| not_bound(config, &error))?;
    let data = config.data.clone();
    let opening = move || SledStore::open(data, stepwell_store_sled::Options::default());
    let store = blocking(opening).await??;
    let store = Arc::new(store);
    let mut registry = Registry::new();
    let mut routes = Vec::new();
    for product in products {
        let setting = Setting {
            data: store.dir(),
            environment,
        };
        let connected = product.connect(setting).await.map_err(|error| {
            let error = error.context(format!("{} cannot be served", product.name()));
            Failure::new(Exit::Usage, "product-not-ready", error)
        });
        let Connected {
            registry: more,
            routes: own,
        } = connected?;
        registry = registry.merge(more);
        routes.extend(own);
    }
    let options = Options {
        in_flight: Some(store.dir().join(IN_FLIGHT)),
        probe: crate::probe::probe(),
        ..config.engine.clone()
    };
    let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
    let engine = match Engine::start(shared, registry, Clock::Wall, options).await {
        Ok(engine) => engine,
        Err(error) => {
            // A store that stopped knows better why than whoever could not read it.
            let stopped = blocking(move || store.close()).await?.err();
            return Err(match stopped.as_ref().map(Failure::of_stopped_store) {
                Some((exit, code)) => Failure::new(exit, code, error),
                None => error.into(),
            });
        }
    };
    Ok(Open {
        server,
        engine,
        store,
        routes,
    })
}

fn settings(
    config: &Config,
    engine: &Engine,
    store: &Arc<SledStore>,
    routes: Vec<Routes>,
) -> Settings {
    let store = Arc::clone(store);
    let product = routes.into_iter().fold(Router::new(), |all, routes| {
        all.merge(routes(engine.client()))
    });
    Settings {
        event_keys: Keys::new(config.event_keys.iter().map(String::as_str)),
        operator_token: config.operator_token.as_deref().map(Token::new),
        body_bytes_max: config.body_bytes_max,
        event_bytes_max: config.engine.event_bytes_max,
        store: Some(StoreLook::new(move || store_facts(&store))),
        product,
        ..Settings::default()
    }
}

/// Closes what `open` opened, in the reverse order.
async fn close(server: Server, store: Arc<SledStore>, drained: Drained) -> Result<(), Failure> {
    if !server.close(ANSWERS_WITHIN).await {
        tracing::warn!("requests in progress were cut off");
    }
    let data = store.dir().to_owned();
    // Crash here: everything acknowledged is in the log; the next opening replays its tail.
    let closed = blocking(move || store.close()).await?;
    if let Err(error) = closed {
        stop_at_once(&error);
    }
    EngineFile::remove(&data);
    let parked = drained.parked;
    say(format_args!(
        "stopped; {parked} run(s) with a body in flight go on at the next start"
    ));
    Ok(())
}

/// The store does not write any more. Nothing is dropped: sled's destructor would touch the disk.
fn stop_at_once(why: &CommitError) -> ! {
    let (exit, code) = Failure::of_stopped_store(why);
    let sentence = format!(
        "store stopped writing: {why}: everything acknowledged is kept, start the engine again"
    );
    crate::talk::complain(&Failure::said(exit, code, sentence));
    leave(exit)
}

#[expect(clippy::exit, reason = "an end without destructors is the point")]
fn leave(exit: Exit) -> ! {
    std::process::exit(i32::from(exit.number()))
}

/// Runs what blocks on the disk where that is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Failure::said(
            Exit::Failed,
            "failed",
            format_args!("stopped midway: {error}"),
        )
    })
}

fn not_bound(config: &Config, error: &std::io::Error) -> Failure {
    let address = SocketAddr::new(config.bind, config.port);
    let sentence = format!("{address} cannot be listened on: {error}: choose another with --port");
    Failure::said(Exit::Io, "not-bound", sentence)
}

/// The address to tell people: an unspecified one is reached through loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let loopback = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(loopback, address.port())
}

/// The signals that ask for an end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals no longer end the process by themselves.
    fn listen() -> Result<Self, Failure> {
        let heard = |kind| {
            signal(kind).map_err(|error| {
                let sentence = format!("signals cannot be listened for: {error}");
                Failure::said(Exit::Io, "failed", sentence)
            })
        };
        Ok(Self {
            terminate: heard(SignalKind::terminate())?,
            interrupt: heard(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Says where the engine listens, in one line.
pub(crate) fn announce(url: &str, data: &Path, keys: usize) {
    say(format_args!(
        "stepwell listens on {url}, data in {}",
        data.display()
    ));
    if keys == 0 {
        say(format_args!(
            "no event key is set, so no event is accepted over HTTP: set STEPWELL_EVENT_KEYS"
        ));
    }
}
