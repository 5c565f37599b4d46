//! The signature of an event that crosses the bridge: HMAC-SHA256 over the body's bytes.
//!
//! The header [`HEADER`] holds `v1=<hex>[,v1=<hex>…]`, keyed with the secret both apps share. Several
//! appear while the secret is being changed; one that fits is enough. An event that is sent once more
//! by somebody else has the id it had and changes nothing, so the signature holds no time.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};
use thiserror::Error;

use crate::secret::Secret;

/// The header the signature is in.
pub const HEADER: &str = "x-cross-app-signature";

/// Bytes in a signature.
const SIGNATURE_BYTES: usize = 32;

/// Why an event was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("read the {HEADER} header: expected v1=<hex>")]
    Malformed,
    /// None of the signatures belongs to this body and our secret.
    #[error("no signature fits the body: sign the raw body with the secret both apps share")]
    Mismatch,
}

/// The header for `body`.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    format!("v1={}", hex::encode(signature(secret, body)))
}

/// Whether `header` was made for `body` by somebody who holds `secret`.
///
/// # Errors
/// When it was not, or cannot be read.
pub fn verify(secret: &Secret, header: &str, body: &[u8]) -> Result<(), SignatureError> {
    let mut candidates = Vec::new();
    for part in header.split(',') {
        let mut candidate = [0; SIGNATURE_BYTES];
        let read = part.trim().strip_prefix("v1=");
        if read.is_some_and(|hex| hex::decode_to_slice(hex, &mut candidate).is_ok()) {
            candidates.push(candidate);
        }
    }
    if candidates.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let expected = signature(secret, body);
    // No early way out: the time taken says nothing about which signature came how close.
    let fits = candidates
        .iter()
        .fold(Choice::from(0), |fits, one| fits | one.ct_eq(&expected));
    if bool::from(fits) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

fn signature(secret: &Secret, body: &[u8]) -> [u8; SIGNATURE_BYTES] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("any key length fits");
    mac.update(body);
    mac.finalize().into_bytes().into()
}
