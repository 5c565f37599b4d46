//! Settings of `serve` and `dev`: flag, else environment, else configuration file, else default.
//!
//! One struct is both the flags and the file, so the two cannot differ. Secrets have no flag: a
//! command line is visible to every user of the machine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use stepwell_core::RetryPolicy;
use stepwell_core::limits::{EVENT_BYTES_DEFAULT, EVENT_BYTES_MAX};
use stepwell_engine::{Options, Placement};
use stepwell_server::{ServeLimits, Settings};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::logging::{FILTER, LogFormat};

/// The port unless told otherwise.
pub(crate) const PORT: u16 = 8288;

/// Longest time limit that can be set, in seconds: a year.
const SECONDS_MAX: u64 = 366 * 24 * 3_600;

/// The options of `serve` and `dev`, and the keys of the configuration file.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServeArgs {
    /// Configuration file in TOML; its keys are these options' names with `_` for `-`
    #[arg(long, value_name = "FILE", env = "STEPWELL_CONFIG")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// Data directory, made when absent [default: stepwell-data; dev: .stepwell]
    #[arg(long, value_name = "DIR", env = "STEPWELL_DATA")]
    data: Option<PathBuf>,

    /// Port to listen on; 0 picks a free one [default: 8288]
    #[arg(long, value_name = "N", env = "STEPWELL_PORT")]
    port: Option<u16>,

    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR", env = "STEPWELL_BIND")]
    bind: Option<IpAddr>,

    /// Seconds that step bodies in flight get to finish on SIGTERM or SIGINT [default: 30]
    #[arg(long, value_name = "S", env = "STEPWELL_DRAIN_LIMIT_S")]
    drain_limit_s: Option<u64>,

    /// Retries of a step or of workflow code where neither says otherwise [default: 4]
    #[arg(long, value_name = "N", env = "STEPWELL_RETRIES")]
    retries: Option<u32>,

    /// Milliseconds before the first retry; doubled for each further one [default: 1000]
    #[arg(long, value_name = "MS", env = "STEPWELL_RETRY_INITIAL_MS")]
    retry_initial_ms: Option<u64>,

    /// Longest wait between retries, in milliseconds [default: 3600000]
    #[arg(long, value_name = "MS", env = "STEPWELL_RETRY_MAX_MS")]
    retry_max_ms: Option<u64>,

    /// Seconds an attempt at a step may take where the step does not say [default: 300]
    #[arg(long, value_name = "S", env = "STEPWELL_ATTEMPT_TIMEOUT_S")]
    attempt_timeout_s: Option<u64>,

    /// Seconds the key of a start stays taken once its run has ended [default: 86400]
    #[arg(long, value_name = "S", env = "STEPWELL_KEEP_START_KEYS_S")]
    keep_start_keys_s: Option<u64>,

    /// Threads that drive runs [default: one for each processor]
    #[arg(long, value_name = "N", env = "STEPWELL_SHARDS")]
    shards: Option<usize>,

    /// Most runs one such thread drives at a time [default: 1024]
    #[arg(long, value_name = "N", env = "STEPWELL_DRIVEN_PER_SHARD")]
    driven_per_shard: Option<usize>,

    /// Runs ready to go beyond which events are refused with 429 [default: 100000]
    #[arg(long, value_name = "N", env = "STEPWELL_READY_MAX")]
    ready_max: Option<usize>,

    /// Bytes waiting for the disk beyond which events are refused with 429 [default: 67108864]
    #[arg(long, value_name = "BYTES", env = "STEPWELL_STORE_BYTES_MAX")]
    store_bytes_max: Option<u64>,

    /// Largest event, in bytes of JSON, up to 3145728 [default: 524288]
    #[arg(long, value_name = "BYTES", env = "STEPWELL_EVENT_BYTES_MAX")]
    event_bytes_max: Option<usize>,

    /// Largest body of a request that sends events, up to 6291456 bytes [default: 4194304]
    #[arg(long, value_name = "BYTES", env = "STEPWELL_BODY_BYTES_MAX")]
    body_bytes_max: Option<usize>,

    /// Most connections at a time; more wait in the system's queue [default: 1024]
    #[arg(long, value_name = "N", env = "STEPWELL_CONNECTIONS_MAX")]
    connections_max: Option<usize>,

    /// What is logged, such as `info` or `stepwell_engine=debug,warn` [default: info]
    #[arg(long, value_name = "FILTER", env = "STEPWELL_LOG")]
    log: Option<String>,

    /// How log lines look [default: text on a terminal, json elsewhere]
    #[arg(long, value_enum, value_name = "FORMAT", env = "STEPWELL_LOG_FORMAT")]
    log_format: Option<LogFormat>,

    /// Keys under which `POST /e/{key}` accepts events: from the file or `STEPWELL_EVENT_KEYS`.
    #[arg(skip)]
    event_keys: Option<Vec<String>>,

    /// Token of the `/v1` routes: from the file or `STEPWELL_OPERATOR_TOKEN`.
    #[arg(skip)]
    operator_token: Option<String>,
}

/// Settings put together and checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The address to listen on.
    pub(crate) bind: IpAddr,
    /// The port to listen on; 0 picks one.
    pub(crate) port: u16,
    /// How long bodies in flight get on a signal.
    pub(crate) drain_limit: Duration,
    /// The engine's.
    pub(crate) engine: Options,
    /// Bounds on connections.
    pub(crate) limits: ServeLimits,
    /// Keys under which events are accepted. Secret.
    pub(crate) event_keys: Vec<String>,
    /// The token of the operator routes. Secret.
    pub(crate) operator_token: Option<String>,
    /// Largest request body with events, in bytes.
    pub(crate) body_bytes_max: usize,
    /// What is logged.
    pub(crate) log: String,
    /// How log lines look.
    pub(crate) log_format: Option<LogFormat>,
}

impl ServeArgs {
    /// How log lines look, as far as the flag or the environment says.
    pub(crate) fn log_format(&self) -> Option<LogFormat> {
        self.log_format
    }

    /// These flags over the configuration file they name, checked.
    pub(crate) fn resolve(self, data_default: &str) -> Result<Config, Failure> {
        let file = match &self.config {
            Some(path) => read_file(path)?,
            None => Self::default(),
        };
        let settings = self.or(file);
        let secret = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let keys_given = secret("STEPWELL_EVENT_KEYS");
        let token_given = secret("STEPWELL_OPERATOR_TOKEN");
        settings.check(data_default, keys_given, token_given)
    }

    /// Each setting from here, else from `file`.
    fn or(self, file: Self) -> Self {
        Self {
            config: self.config,
            data: self.data.or(file.data),
            port: self.port.or(file.port),
            bind: self.bind.or(file.bind),
            drain_limit_s: self.drain_limit_s.or(file.drain_limit_s),
            retries: self.retries.or(file.retries),
            retry_initial_ms: self.retry_initial_ms.or(file.retry_initial_ms),
            retry_max_ms: self.retry_max_ms.or(file.retry_max_ms),
            attempt_timeout_s: self.attempt_timeout_s.or(file.attempt_timeout_s),
            keep_start_keys_s: self.keep_start_keys_s.or(file.keep_start_keys_s),
            shards: self.shards.or(file.shards),
            driven_per_shard: self.driven_per_shard.or(file.driven_per_shard),
            ready_max: self.ready_max.or(file.ready_max),
            store_bytes_max: self.store_bytes_max.or(file.store_bytes_max),
            event_bytes_max: self.event_bytes_max.or(file.event_bytes_max),
            body_bytes_max: self.body_bytes_max.or(file.body_bytes_max),
            connections_max: self.connections_max.or(file.connections_max),
            log: self.log.or(file.log),
            log_format: self.log_format.or(file.log_format),
            event_keys: self.event_keys.or(file.event_keys),
            operator_token: self.operator_token.or(file.operator_token),
        }
    }

    fn check(
        self,
        data_default: &str,
        keys_given: Option<String>,
        token_given: Option<String>,
    ) -> Result<Config, Failure> {
        let engine = self.engine()?;
        let body_default = Settings::BODY_BYTES_DEFAULT;
        let body_bytes_max = within(
            "body-bytes-max",
            self.body_bytes_max,
            body_default,
            1_024..=6 * 1024 * 1024,
        )?;
        let connections_max = within(
            "connections-max",
            self.connections_max,
            1_024,
            1..=1_000_000,
        )?;
        let drain_limit_s = within("drain-limit-s", self.drain_limit_s, 30, 0..=SECONDS_MAX)?;
        let listed = |text: String| text.split(',').map(|key| key.trim().to_owned()).collect();
        let event_keys: Vec<String> = keys_given
            .map(listed)
            .or(self.event_keys)
            .unwrap_or_default();
        let usable = |key: &String| !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic());
        if !event_keys
            .iter()
            .all(|key| usable(key) && !key.contains('/'))
        {
            let said = "an event key is refused: give visible ASCII characters without `/`";
            return Err(invalid(said));
        }
        let operator_token = token_given.or(self.operator_token);
        if operator_token.as_ref().is_some_and(|token| !usable(token)) {
            return Err(invalid(
                "the operator token is refused: give visible ASCII characters",
            ));
        }
        Ok(Config {
            data: self.data.unwrap_or_else(|| PathBuf::from(data_default)),
            bind: self.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            port: self.port.unwrap_or(PORT),
            drain_limit: Duration::from_secs(drain_limit_s),
            engine,
            limits: ServeLimits {
                connections_max,
                ..ServeLimits::default()
            },
            event_keys,
            operator_token,
            body_bytes_max,
            log: self.log.unwrap_or_else(|| FILTER.to_owned()),
            log_format: self.log_format,
        })
    }

    fn engine(&self) -> Result<Options, Failure> {
        let base = Options::default();
        let retry = RetryPolicy {
            attempts_max: within("retries", self.retries, 4, 0..=1_000)?.saturating_add(1),
            initial_ms: within(
                "retry-initial-ms",
                self.retry_initial_ms,
                1_000,
                1..=86_400_000,
            )?,
            max_ms: within("retry-max-ms", self.retry_max_ms, 3_600_000, 1..=86_400_000)?,
            ..base.retry
        };
        let timeout_s = within(
            "attempt-timeout-s",
            self.attempt_timeout_s,
            300,
            1..=SECONDS_MAX,
        )?;
        let keep_start_keys_s = within(
            "keep-start-keys-s",
            self.keep_start_keys_s,
            base.keep_start_keys.as_secs(),
            0..=SECONDS_MAX,
        )?;
        let placement = match self.shards {
            None => base.placement,
            given => Placement::Threads(within("shards", given, 1, 1..=1_024)?),
        };
        let event_default = EVENT_BYTES_DEFAULT;
        Ok(Options {
            placement,
            retry,
            attempt_timeout: Duration::from_secs(timeout_s),
            keep_start_keys: Duration::from_secs(keep_start_keys_s),
            driven_per_shard: within(
                "driven-per-shard",
                self.driven_per_shard,
                base.driven_per_shard,
                1..=1_000_000,
            )?,
            ready_max: within("ready-max", self.ready_max, base.ready_max, 1..=100_000_000)?,
            store_bytes_max: within(
                "store-bytes-max",
                self.store_bytes_max,
                base.store_bytes_max,
                1_048_576..=1 << 40,
            )?,
            event_bytes_max: within(
                "event-bytes-max",
                self.event_bytes_max,
                event_default,
                1_024..=EVENT_BYTES_MAX,
            )?,
            ..base
        })
    }
}

/// The value given, or the default, when it lies in `range`.
fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    given: Option<T>,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, Failure> {
    let value = given.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let (low, high) = (range.start(), range.end());
    Err(invalid(format_args!(
        "{name} is {value}: give a number from {low} to {high}"
    )))
}

fn invalid(sentence: impl std::fmt::Display) -> Failure {
    Failure::said(Exit::Usage, "config-refused", sentence)
}

fn read_file(path: &Path) -> Result<ServeArgs, Failure> {
    let file = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| invalid(format_args!("configuration {file} cannot be read: {error}")))?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        // The message and the line alone: the excerpt a decoder shows may hold a secret.
        let at = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let said = error.message().lines().next().unwrap_or_default();
        invalid(format_args!(
            "configuration {file} refused at line {line}: {said}"
        ))
    })
}

#[cfg(test)]
mod tests;
