//! The state all fakes share, and the one place where a call is counted, switched and answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::watch;

use crate::account::Account;
use crate::calls::{Call, Service, Tally};
use crate::cuttable::Cut;
use crate::google::Tokens;
use crate::resend::Outbox;
use crate::service_account::AccountKey;
use crate::sheet::Sheet;
use crate::switch::{Mode, Panel, Switch};

/// Everything the fakes know.
#[derive(Debug)]
pub(crate) struct World {
    /// `http://127.0.0.1:<port>`, known once the port is bound.
    pub(crate) origin: String,
    pub(crate) key: AccountKey,
    state: Mutex<State>,
    /// Counts the clearings of each service; whoever hangs waits for the next one of theirs.
    clearings: watch::Sender<BTreeMap<Service, u64>>,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tally: Tally,
    pub(crate) panel: Panel,
    pub(crate) stripe: Account,
    pub(crate) tokens: Tokens,
    pub(crate) sheet: Sheet,
    pub(crate) outbox: Outbox,
    pub(crate) slack: Vec<serde_json::Value>,
}

impl World {
    pub(crate) fn new(origin: String, key: AccountKey, sheet: Sheet, salt: u64) -> World {
        let state = State {
            tally: Tally::default(),
            panel: Panel::default(),
            stripe: Account::new(salt),
            tokens: Tokens::default(),
            sheet,
            outbox: Outbox::default(),
            slack: Vec::new(),
        };
        World {
            origin,
            key,
            state: Mutex::new(state),
            clearings: watch::Sender::new(BTreeMap::new()),
        }
    }

    /// The state, also when a route panicked while it held it: a fake has no invariant worth dying
    /// for.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a switch in force; `Mode::Work` also releases what hangs.
    pub(crate) fn set(&self, switch: Switch) {
        let (clears, service) = (switch.mode == Mode::Work, switch.service);
        self.state().panel.set(switch);
        if clears {
            self.release(service);
        }
    }

    /// Releases every call of `service` that hangs.
    pub(crate) fn release(&self, service: Service) {
        self.clearings
            .send_modify(|counts| *counts.entry(service).or_default() += 1);
    }

    /// Counts the call, does what the switches say, and answers.
    pub(crate) async fn answer(
        &self,
        call: Call,
        cut: &Cut,
        act: impl FnOnce(&mut State) -> Response,
    ) -> Response {
        let Call {
            service, operation, ..
        } = call;
        // Looked at before the switch is read, so a clearing right after it is not missed.
        let mut clearings = self.clearings.subscribe();
        let count = |counts: &BTreeMap<_, _>| counts.get(&service).copied();
        let before = count(&clearings.borrow());
        let mode = {
            let mut state = self.state();
            state.tally.receive(&call);
            state.panel.take(&call)
        };
        tracing::debug!(?service, operation, ?mode, "fake called");
        match mode {
            Mode::Work => self.act(&call, act),
            Mode::Fail {
                status,
                retry_after_s,
            } => failure(call.service, status, retry_after_s),
            Mode::Hang => {
                // An error means that the world is gone, which ends the hanging as well.
                let _released = clearings.wait_for(|counts| count(counts) != before).await;
                failure(call.service, 503, None)
            }
            Mode::DropReply => {
                let reply = self.act(&call, act);
                cut.cut();
                reply
            }
            Mode::Slow { delay_ms } => {
                tokio::time::sleep(Duration::from_millis(delay_ms)).await;
                self.act(&call, act)
            }
        }
    }

    fn act(&self, call: &Call, act: impl FnOnce(&mut State) -> Response) -> Response {
        let mut state = self.state();
        let reply = act(&mut state);
        if reply.status().is_success() {
            state.tally.act(call);
        }
        reply
    }
}

/// The `Idempotency-Key` header, if there is a readable one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    headers
        .get("idempotency-key")?
        .to_str()
        .ok()
        .map(str::to_owned)
}

/// The bearer token of the `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("authorization")?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

/// An error of `service`'s own shape with a status somebody asked for.
fn failure(service: Service, status: u16, retry_after_s: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let said = "switched to fail";
    let mut reply = match service {
        Service::Stripe => crate::stripe::error(status, "api_error", None, said),
        Service::GoogleToken => crate::google::token_error(status, "server_error", said),
        Service::Sheets => crate::google::error(status, "UNAVAILABLE", said),
        Service::Resend => crate::resend::error(status, "internal_server_error", said),
        Service::Slack => (status, said).into_response(),
    };
    if let Some(seconds) = retry_after_s {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// A JSON reply for a request the fakes have no route for.
pub(crate) async fn unknown_route() -> Response {
    let said = "the fakes have no such route";
    (StatusCode::NOT_FOUND, Json(json!({ "error": said }))).into_response()
}
