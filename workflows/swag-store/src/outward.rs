//! Calls to services outside: time limits, and what a reply means for the step that asked.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::verdict::{Retry, Verdict};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// No service is obeyed that asks for more patience than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// The longest machine-readable code taken over from an error reply.
const CODE_LENGTH_MAX: usize = 64;

/// Why a call outward gave no result. No variant carries a reply's prose: it may repeat what we
/// sent.
#[derive(Debug, Error)]
pub enum CallError {
    /// No reply came; whether the service acted is unknown.
    #[error("call {service}: no reply: {}", chain(.source))]
    NoReply {
        /// Who was called.
        service: &'static str,
        /// What the connection said.
        source: reqwest::Error,
    },
    /// The service asks to be called again later.
    #[error("call {service}: it answered {status}: try again later")]
    Unavailable {
        /// Who was called.
        service: &'static str,
        /// The HTTP status.
        status: u16,
        /// The service's own word on when to come back.
        retry_after: Option<Duration>,
    },
    /// The service will not do it, however often it is asked.
    #[error("call {service}: it refused with {status}{}", code_text(.code.as_deref()))]
    Refused {
        /// Who was called.
        service: &'static str,
        /// The HTTP status.
        status: u16,
        /// The service's machine-readable reason.
        code: Option<String>,
    },
    /// The service did it and answered something we cannot read.
    #[error("call {service}: its reply is not what its documentation says: {}", chain(.source))]
    Unreadable {
        /// Who was called.
        service: &'static str,
        /// Where reading stopped.
        source: reqwest::Error,
    },
    /// A key that signed at the start does not sign any more.
    #[error("call {service}: the assertion could not be signed: check the service account's key")]
    Unsigned {
        /// Who was to be called.
        service: &'static str,
    },
    /// The call needs a setting that is absent.
    #[error("call {service}: {name} is not set: set it and start again")]
    NotConfigured {
        /// Who was to be called.
        service: &'static str,
        /// The environment variable.
        name: &'static str,
    },
}

impl Verdict for CallError {
    fn retry(&self) -> Retry {
        match self {
            CallError::Unavailable {
                retry_after: Some(wait),
                ..
            } => Retry::After(*wait),
            CallError::Refused { .. } | CallError::Unsigned { .. } => Retry::Never,
            CallError::NoReply { .. }
            | CallError::Unavailable {
                retry_after: None, ..
            }
            | CallError::Unreadable { .. }
            | CallError::NotConfigured { .. } => Retry::Later,
        }
    }
}

impl CallError {
    /// The same refusal with nothing but its status: a mail provider's reason may be about the
    /// address.
    pub(crate) fn bare(mut self) -> CallError {
        if let CallError::Refused { code, .. } = &mut self {
            *code = None;
        }
        self
    }

    /// Whether the service refused with this status.
    pub(crate) fn is_refusal(&self, wanted: StatusCode) -> bool {
        matches!(self, CallError::Refused { status, .. } if *status == wanted.as_u16())
    }
}

/// The HTTP client all services share.
#[derive(Clone, Debug)]
pub(crate) struct Outward {
    http: reqwest::Client,
}

impl Outward {
    /// `timeout` bounds one call from connecting to the last byte. Without `tls` every service is
    /// on this machine or beside it: no proxy is asked, and no certificate authority is looked for,
    /// so a machine that has none can still talk to services on loopback.
    pub(crate) fn new(timeout: Duration, tls: bool) -> Result<Outward, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("stepwell-swag-store/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            // A redirected POST would be repeated elsewhere as a GET: no service of ours redirects.
            .redirect(redirect::Policy::none());
        if !tls {
            builder = builder.tls_certs_only([]).no_proxy();
        }
        Ok(Outward {
            http: builder.build()?,
        })
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends `request` and reads a JSON reply.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        service: &'static str,
        request: RequestBuilder,
    ) -> Result<T, CallError> {
        let reply = request
            .send()
            .await
            .map_err(|error| no_reply(service, error))?;
        if !reply.status().is_success() {
            return Err(refusal(service, reply).await);
        }
        reply.json().await.map_err(|error| {
            if error.is_decode() {
                CallError::Unreadable {
                    service,
                    source: error.without_url(),
                }
            } else {
                no_reply(service, error)
            }
        })
    }
}

/// `base` with path segments added, each escaped on its own.
pub(crate) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Only addresses that cannot have a path refuse, and the settings accept http and https alone.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

fn no_reply(service: &'static str, error: reqwest::Error) -> CallError {
    CallError::NoReply {
        service,
        source: error.without_url(),
    }
}

/// 5xx, "too many", "in conflict with another request" and "too slow" pass; everything else stays
/// as it is.
async fn refusal(service: &'static str, reply: Response) -> CallError {
    let status = reply.status();
    let passes = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::CONFLICT | StatusCode::REQUEST_TIMEOUT
        );
    if passes {
        let retry_after = retry_after(reply.headers());
        return CallError::Unavailable {
            service,
            status: status.as_u16(),
            retry_after,
        };
    }
    let body: Value = reply.json().await.unwrap_or_default();
    CallError::Refused {
        service,
        status: status.as_u16(),
        code: code(&body),
    }
}

/// Seconds or an HTTP date, bounded.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            u64::try_from(at.as_second() - jiff::Timestamp::now().as_second()).unwrap_or_default()
        }
    };
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// The reason in an error reply: `error.code` (Stripe), `error.status` (Google), `error` (OAuth),
/// `name` (Resend). Only a plain word is taken over, so that nothing personal can come along.
fn code(body: &Value) -> Option<String> {
    let error = &body["error"];
    let places = [&error["code"], &error["status"], error, &body["name"]];
    let code = places.into_iter().find_map(Value::as_str)?;
    let plain = code
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (plain && code.len() <= CODE_LENGTH_MAX).then(|| code.to_owned())
}

fn code_text(code: Option<&str>) -> String {
    code.map_or_else(String::new, |code| format!(" ({code})"))
}

/// An error with everything below it, on one line.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(cause) = below {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        below = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
