//! Logs on standard error, and panics told in one line.

use std::io::IsTerminal;

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, ServeArgs};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::talk;

/// What is logged unless told otherwise.
pub(crate) const FILTER: &str = "info";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings put together, and logging begun as they say. What is refused is told in the log too.
pub(crate) fn configure(args: ServeArgs, data_default: &str) -> Result<Config, Failure> {
    let format = args.log_format();
    match args.resolve(data_default) {
        Ok(config) => {
            start(&config.log, config.log_format)?;
            Ok(config)
        }
        Err(refused) => {
            start(FILTER, format)?;
            Err(refused)
        }
    }
}

/// Starts logging what `filter` lets through.
fn start(filter: &str, format: Option<LogFormat>) -> Result<(), Failure> {
    let (filter, refused) = match EnvFilter::try_new(filter) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let sentence = format!("log filter {filter:?} refused: {error}");
            let refused = Failure::said(Exit::Usage, "config-refused", sentence);
            (EnvFilter::new(FILTER), Some(refused))
        }
    };
    let format = format.unwrap_or_else(|| {
        if std::io::stderr().is_terminal() {
            LogFormat::Text
        } else {
            LogFormat::Json
        }
    });
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(talk::colours());
    let started = match format {
        LogFormat::Text => builder.with_env_filter(filter).compact().try_init(),
        LogFormat::Json => {
            // Words are said whatever is filtered; a directive this plain always parses.
            let filter = match format!("{}=info", talk::TARGET).parse() {
                Ok(words) => filter.add_directive(words),
                Err(_) => filter,
            };
            let builder = builder.with_env_filter(filter).json();
            builder.flatten_event(true).try_init()
        }
    };
    match started {
        Ok(()) if format == LogFormat::Json => talk::log_from_here(),
        Ok(()) => {}
        // Somebody set a subscriber before: theirs stays.
        Err(error) => talk::say(format_args!("logging was set up already: {error}")),
    }
    refused.map_or(Ok(()), Err)
}

/// From here on a panic is told in one line: in the log, or to people while there is none.
pub(crate) fn tell_panics_briefly() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        let payload = panic.payload();
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        if tracing::dispatcher::has_been_set() {
            tracing::error!(%place, "panicked: {message}");
        } else {
            talk::say(format_args!("panicked at {place}: {message}"));
        }
    }));
}

/// From here on panics are told by whoever catches them alone.
pub(crate) fn leave_panics_untold() {
    std::panic::set_hook(Box::new(|_| {}));
}
