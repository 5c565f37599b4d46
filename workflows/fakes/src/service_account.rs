//! The fake Google's service account: its key is made at start, so none lies in the sources.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

/// The only client the fake token endpoint knows.
pub(crate) const CLIENT_EMAIL: &str = "swag-store@fakes.iam.gserviceaccount.example";

/// The key could not be made.
#[derive(Debug, Error)]
pub(crate) enum KeyError {
    #[error("make the throwaway RSA key of the fake service account: {0}")]
    Unspecified(#[from] aws_lc_rs::error::Unspecified),
}

/// One key for the life of the process: making one takes long enough to notice.
static KEY: OnceLock<AccountKey> = OnceLock::new();

/// A service account's key pair in the two forms its sides need.
#[derive(Clone, Debug)]
pub(crate) struct AccountKey {
    /// PKCS#8 PEM, as the key file of a service account carries it.
    private_pem: String,
    /// PKCS#1 DER, to check assertions with.
    public_der: Vec<u8>,
}

/// What the grant's assertion must carry beyond signature, audience, issuer and expiry, which are
/// checked as well.
#[derive(Debug, Deserialize)]
pub(crate) struct Assertion {
    pub(crate) scope: String,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
}

impl AccountKey {
    /// The process's key, made on first use.
    pub(crate) fn of_this_process() -> Result<AccountKey, KeyError> {
        if let Some(key) = KEY.get() {
            return Ok(key.clone());
        }
        let pair = KeyPair::generate(KeySize::Rsa2048)?;
        let private: Pkcs8V1Der<'_> = pair.as_der()?;
        let made = AccountKey {
            private_pem: pem(private.as_ref()),
            public_der: pair.public_key().as_ref().to_vec(),
        };
        Ok(KEY.get_or_init(|| made).clone())
    }

    /// The key file Google would hand out, as one line of JSON.
    pub(crate) fn key_file(&self, token_uri: &str) -> String {
        json!({
            "type": "service_account",
            "project_id": "fakes",
            "private_key_id": "throwaway",
            "private_key": self.private_pem,
            "client_email": CLIENT_EMAIL,
            "token_uri": token_uri,
        })
        .to_string()
    }

    /// Reads an assertion made with this key for this audience.
    pub(crate) fn check(
        &self,
        assertion: &str,
        token_uri: &str,
    ) -> Result<Assertion, jsonwebtoken::errors::Error> {
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[token_uri]);
        rules.set_issuer(&[CLIENT_EMAIL]);
        rules.set_required_spec_claims(&["iss", "aud", "exp"]);
        let key = DecodingKey::from_rsa_der(&self.public_der);
        Ok(jsonwebtoken::decode::<Assertion>(assertion, &key, &rules)?.claims)
    }
}

fn pem(der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let mut lines = vec!["-----BEGIN PRIVATE KEY-----"];
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        lines.push(line);
        rest = tail;
    }
    lines.push("-----END PRIVATE KEY-----\n");
    lines.join("\n")
}
