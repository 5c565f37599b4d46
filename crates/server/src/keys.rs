//! Keys that senders and operators show, kept as digests and compared in constant time.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The digest of a secret text: of fixed length, so that a comparison tells nothing of the text.
#[derive(Clone, Copy)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }
}

/// The keys under which events are accepted.
#[derive(Clone, Default)]
pub struct Keys(Vec<Fingerprint>);

impl Keys {
    /// Keeps the digests of `keys`.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self(keys.into_iter().map(Fingerprint::of).collect())
    }

    /// Whether `shown` is one of them. Takes as long for any wrong key as for a right one.
    #[must_use]
    pub fn accept(&self, shown: &str) -> bool {
        let shown = Fingerprint::of(shown);
        let none = Choice::from(0);
        let fits = self
            .0
            .iter()
            .fold(none, |fits, key| fits | key.0.ct_eq(&shown.0));
        bool::from(fits)
    }

    /// Whether there is no key at all, so that no event is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} withheld)", self.0.len())
    }
}

/// The token that opens the operator routes.
#[derive(Clone)]
pub struct Token(Fingerprint);

impl Token {
    /// Keeps the digest of `token`.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self(Fingerprint::of(token))
    }

    /// Whether `shown` is the token; in constant time.
    #[must_use]
    pub fn accepts(&self, shown: &str) -> bool {
        bool::from(self.0.0.ct_eq(&Fingerprint::of(shown).0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(withheld)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_accepted_and_its_neighbours_are_not() {
        let keys = Keys::new(["first", "second"]);
        assert!(keys.accept("first") && keys.accept("second"));
        for wrong in ["", "firs", "first ", "First", "third"] {
            assert!(!keys.accept(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn without_keys_nothing_is_accepted() {
        assert!(!Keys::default().accept(""));
    }

    #[test]
    fn debug_output_shows_no_key() {
        let shown = format!("{:?} {:?}", Keys::new(["hush"]), Token::new("hush"));
        assert!(!shown.contains("hush"), "{shown}");
    }
}
