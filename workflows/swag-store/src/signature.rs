//! Stripe's webhook signature: made for tests and the demo, checked for everyone else.
//!
//! The header is `t=<unix seconds>,v1=<hex>[,v1=<hex>…]`; each `v1` is an HMAC-SHA256 over
//! `<t>.<raw body>`, keyed with the whole `whsec_…` text. Several `v1` appear while a secret is
//! being rolled; one that fits is enough.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};
use thiserror::Error;

/// How far the header's time may lie from ours, in seconds.
pub const TOLERANCE_S: u64 = 300;

/// Bytes in a signature.
const SIGNATURE_BYTES: usize = 32;

/// Why a webhook was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The header lacks `t=<seconds>` or any `v1=`.
    #[error("read the stripe-signature header: expected t=<unix seconds>,v1=<hex>")]
    Malformed,
    /// No `v1` belongs to this body, this time and our secret.
    #[error("no v1 signature fits the body: send the raw body, signed with this endpoint's secret")]
    Mismatch,
    /// The signature is genuine and too old, or from a clock too far ahead.
    #[error(
        "the signature was made {off_s} s away from this server's clock, more than the {TOLERANCE_S} s allowed"
    )]
    OutsideTolerance {
        /// The distance between the two clocks, in seconds.
        off_s: u64,
    },
}

/// Checks `header` against the raw `body` at the time `now_s` (unix seconds).
///
/// # Errors
/// When the header cannot be read, nothing in it fits, or its time is too far away; checked in this
/// order, so that only someone who holds the secret learns what our clock says.
pub fn verify(secret: &str, header: &str, body: &[u8], now_s: u64) -> Result<(), SignatureError> {
    let signed = Signed::read(header)?;
    let expected = signature(secret, signed.timestamp, body);
    // No early way out: the time taken says nothing about which signature came how close.
    let fits = signed
        .candidates
        .iter()
        .fold(Choice::from(0), |fits, candidate| {
            fits | candidate.ct_eq(&expected)
        });
    if !bool::from(fits) {
        return Err(SignatureError::Mismatch);
    }
    let off_s = now_s.abs_diff(signed.seconds);
    if off_s > TOLERANCE_S {
        return Err(SignatureError::OutsideTolerance { off_s });
    }
    Ok(())
}

/// The header Stripe would send for `body` at the time `now_s` (unix seconds).
#[must_use]
pub fn sign(secret: &str, body: &[u8], now_s: u64) -> String {
    let hex = hex::encode(signature(secret, &now_s.to_string(), body));
    format!("t={now_s},v1={hex}")
}

/// A header taken apart.
struct Signed<'a> {
    /// The time as it was written: what was signed is the text, not the number.
    timestamp: &'a str,
    seconds: u64,
    candidates: Vec<[u8; SIGNATURE_BYTES]>,
}

impl Signed<'_> {
    fn read(header: &str) -> Result<Signed<'_>, SignatureError> {
        let mut timestamp = None;
        let mut candidates = Vec::new();
        for part in header.split(',') {
            match part.trim().split_once('=') {
                Some(("t", text)) => timestamp = Some(text),
                Some(("v1", hex)) => {
                    let mut candidate = [0; SIGNATURE_BYTES];
                    // What is no signature cannot fit; the others may.
                    if hex::decode_to_slice(hex, &mut candidate).is_ok() {
                        candidates.push(candidate);
                    }
                }
                // Other schemes (`v0` in test mode) and parts without a value say nothing to us.
                Some(_) | None => {}
            }
        }
        let timestamp = timestamp.ok_or(SignatureError::Malformed)?;
        let seconds = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
        if candidates.is_empty() {
            return Err(SignatureError::Malformed);
        }
        Ok(Signed {
            timestamp,
            seconds,
            candidates,
        })
    }
}

fn signature(secret: &str, timestamp: &str, body: &[u8]) -> [u8; SIGNATURE_BYTES] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key length fits");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
