//! The bridge over HTTP: `POST /e/{key}` of the other app, signed, within a time limit.

use std::fmt;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Url, redirect};
use thiserror::Error;

use super::{Answer, Bridge, BridgeError, Message, signature};
use crate::app::AppName;
use crate::secret::Secret;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// No answer is obeyed that asks for more patience than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// The shortest secret the two apps may share, in bytes.
pub const SECRET_BYTES_MIN: usize = 32;

/// How the other app is reached.
#[derive(Clone, Debug)]
pub struct BridgeSettings {
    /// Which app that is.
    pub target: AppName,
    /// Its address, without `/e`.
    pub base: Url,
    /// Its event key; without one every event is held.
    pub event_key: Option<Secret>,
    /// The secret both apps share, of at least [`SECRET_BYTES_MIN`] bytes.
    pub secret: Secret,
    /// How long one call may take, connecting included.
    pub timeout: Duration,
}

/// Settings with which no bridge can be built.
#[derive(Debug, Error)]
pub enum UnusableBridge {
    /// The shared secret could be guessed.
    #[error("prepare the bridge: the shared secret must have at least {SECRET_BYTES_MIN} bytes")]
    ShortSecret,
    /// The address has no path, such as `mailto:`.
    #[error("prepare the bridge: the other app's address must begin with http or https")]
    Address,
    /// The HTTP client; in most cases the machine has no certificate authorities.
    #[error("prepare the bridge: {0}: install the system's CA certificates")]
    Client(#[source] reqwest::Error),
}

/// A bridge to one app over HTTP.
#[derive(Clone)]
pub struct HttpBridge {
    http: reqwest::Client,
    settings: BridgeSettings,
}

impl fmt::Debug for HttpBridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address with the key in it is a secret: neither is shown.
        write!(f, "HttpBridge({})", self.settings.target)
    }
}

impl HttpBridge {
    /// A bridge with these settings; calls nobody.
    ///
    /// # Errors
    /// When the secret is short, the address is no place to post to, or no HTTP client can be built.
    pub fn new(settings: BridgeSettings) -> Result<Self, UnusableBridge> {
        if settings.secret.expose().len() < SECRET_BYTES_MIN {
            return Err(UnusableBridge::ShortSecret);
        }
        if !matches!(settings.base.scheme(), "http" | "https") {
            return Err(UnusableBridge::Address);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("stepwell-bundle-sync/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
            .timeout(settings.timeout)
            // A redirected POST would be repeated elsewhere as a GET: an intake does not redirect.
            .redirect(redirect::Policy::none());
        if settings.base.scheme() == "http" {
            // The other app is on this machine or beside it: no certificate authority is looked for.
            builder = builder.tls_certs_only([]).no_proxy();
        }
        let http = builder.build().map_err(UnusableBridge::Client)?;
        Ok(Self { http, settings })
    }

    async fn send(&self, target: AppName, message: &Message) -> Result<(), BridgeError> {
        let key = self.settings.event_key.as_ref();
        let key = key.filter(|_| target == self.settings.target);
        let key = key.ok_or(BridgeError::NotConfigured { app: target })?;
        let body = message.to_bytes();
        let body = body.map_err(|_| BridgeError::NotJson { app: target })?;
        let mut url = self.settings.base.clone();
        // Only addresses that cannot have a path refuse, and those are refused at the start.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["e", key.expose()]);
        }
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(
                signature::HEADER,
                signature::sign(&self.settings.secret, &body),
            )
            .body(body);
        // The error is dropped with its address: the key is in it.
        let answer = request.send().await;
        let answer = answer.map_err(|_| BridgeError::NoAnswer { app: target })?;
        if answer.status().is_success() {
            return Ok(());
        }
        let retry_after = retry_after(answer.headers());
        Err(BridgeError::of_status(
            target,
            answer.status().as_u16(),
            retry_after,
        ))
    }
}

impl Bridge for HttpBridge {
    fn post<'a>(&'a self, target: AppName, message: &'a Message) -> Answer<'a> {
        Box::pin(self.send(target, message))
    }
}

/// Seconds, bounded.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
