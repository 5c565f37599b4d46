//! Values drawn once and recorded: the instant, random numbers, ids.

use serde::Serialize;
use serde::de::DeserializeOwned;
use stepwell_core::{StepKind, Timestamp};

use crate::attempt::Attempt;
use crate::step::{Options, Ran, Step, usable};

impl Step {
    /// The instant at which the code first got here; the same on every replay.
    pub async fn now(&mut self) -> Timestamp {
        let host = self.host().clone();
        self.drawn("now", StepKind::Now, move || host.now()).await
    }

    /// Sixty-four random bits drawn when the code first got here; the same on every replay.
    pub async fn random(&mut self) -> u64 {
        let host = self.host().clone();
        self.drawn("random", StepKind::Random, move || host.random())
            .await
    }

    /// A ULID drawn when the code first got here; the same on every replay.
    pub async fn ulid(&mut self) -> String {
        let host = self.host().clone();
        let draw = move || {
            let bits = (u128::from(host.random()) << 64) | u128::from(host.random());
            let ulid = (u128::from(host.now().as_ms()) << 80) | (bits & ((1 << 80) - 1));
            stepwell_core::RunId::from_bytes(ulid.to_be_bytes()).to_string()
        };
        self.drawn("ulid", StepKind::Ulid, draw).await
    }

    async fn drawn<T, D>(&mut self, name: &str, kind: StepKind, draw: D) -> T
    where
        T: Serialize + DeserializeOwned,
        D: Fn() -> T,
    {
        let claimed = self.claim(name);
        let drawn = async {
            let address = usable(claimed)?;
            let draw = &draw;
            let body = |_: Attempt| async move { Ran::encode(&draw()) };
            let options = Options::default();
            let output = self.settle(address.clone(), kind, options, body).await?;
            Ok::<_, crate::StepError>((address, output))
        };
        match drawn.await {
            Ok((address, output)) => self.decode(&address, kind, &output).await,
            // Only the limit of steps in a run can fail a drawn value, and code has no way to
            // hear of it here: the next step that is awaited reports the same limit as an error.
            Err(_) => draw(),
        }
    }
}
