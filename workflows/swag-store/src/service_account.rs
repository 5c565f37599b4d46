//! A Google service account: its key, and the bearer tokens it is exchanged for.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::outward::{CallError, Outward};

const SCOPE: &str = "https://www.googleapis.com/auth/spreadsheets";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const DEFAULT_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// The longest life Google grants an assertion, in seconds.
const ASSERTION_LIFE_S: u64 = 3_600;
/// A token is renewed this long before it ends, so that none expires on its way.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

/// A key that is known to sign.
#[derive(Clone)]
pub struct ServiceAccount {
    client_email: String,
    key_id: Option<String>,
    key: EncodingKey,
    token_uri: Url,
}

/// The key file, of which only this is of interest.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

#[derive(Serialize)]
struct Assertion<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl ServiceAccount {
    /// Reads a key file's JSON, as it is or in base64; `None` says only that it cannot be used,
    /// never what it held.
    #[must_use]
    pub fn read(text: &str) -> Option<ServiceAccount> {
        let text = text.trim();
        let json = if text.starts_with('{') {
            text.to_owned()
        } else {
            let packed: String = text.split_whitespace().collect();
            String::from_utf8(BASE64.decode(packed).ok()?).ok()?
        };
        let file: KeyFile = serde_json::from_str(&json).ok()?;
        let token_uri = file.token_uri.as_deref().unwrap_or(DEFAULT_TOKEN_URI);
        let account = ServiceAccount {
            client_email: file.client_email,
            key_id: file.private_key_id,
            key: EncodingKey::from_rsa_pem(file.private_key.as_bytes()).ok()?,
            token_uri: Url::parse(token_uri).ok()?,
        };
        // A PEM frame around nonsense passes until it has to sign.
        account.assertion(0)?;
        Some(account)
    }

    /// Whether tokens come over TLS.
    pub(crate) fn token_uri(&self) -> &Url {
        &self.token_uri
    }

    fn assertion(&self, now_s: u64) -> Option<String> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&self.key_id);
        let claims = Assertion {
            iss: &self.client_email,
            scope: SCOPE,
            aud: self.token_uri.as_str(),
            iat: now_s,
            exp: now_s + ASSERTION_LIFE_S,
        };
        jsonwebtoken::encode(&header, &claims, &self.key).ok()
    }
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceAccount(withheld)")
    }
}

/// Tokens of one account, fetched when needed and kept until shortly before they end.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    account: ServiceAccount,
    outward: Outward,
    /// Held across the exchange, so that many orders at once fetch one token.
    held: Arc<Mutex<Option<Held>>>,
}

struct Held {
    token: String,
    renew_at: Instant,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held(withheld)")
    }
}

#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    pub(crate) fn new(account: ServiceAccount, outward: Outward) -> Tokens {
        Tokens {
            account,
            outward,
            held: Arc::new(Mutex::new(None)),
        }
    }

    /// A token that is good for at least [`RENEWAL_MARGIN`], as far as we know.
    pub(crate) async fn bearer(&self) -> Result<String, CallError> {
        let mut held = self.held.lock().await;
        if let Some(current) = held.as_ref().filter(|held| Instant::now() < held.renew_at) {
            return Ok(current.token.clone());
        }
        let asked_at = Instant::now();
        let grant = self.exchange().await?;
        let life = Duration::from_secs(grant.expires_in).saturating_sub(RENEWAL_MARGIN);
        let fresh = Held {
            token: grant.access_token,
            renew_at: asked_at + life,
        };
        Ok(held.insert(fresh).token.clone())
    }

    /// Google refused `token`: the next call fetches another.
    pub(crate) async fn forget(&self, token: &str) {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|held| held.token == token) {
            *held = None;
        }
    }

    async fn exchange(&self) -> Result<Grant, CallError> {
        let service = "the google token endpoint";
        let now_s = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
        let assertion = self
            .account
            .assertion(now_s)
            .ok_or(CallError::Unsigned { service })?;
        let request = self
            .outward
            .http()
            .post(self.account.token_uri.clone())
            .form(&[
                ("grant_type", GRANT_TYPE),
                ("assertion", assertion.as_str()),
            ]);
        self.outward.send(service, request).await
    }
}

#[cfg(test)]
mod tests;
