//! The fake Resend: an outbox that keeps one mail for each idempotency key.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::calls::{Call, Service};
use crate::cuttable::Cut;
use crate::world::{World, bearer, idempotency_key};

/// A mail that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// Resend's id of the mail.
    pub id: String,
    /// The key it was sent under, if any.
    pub idempotency_key: Option<String>,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// The subject line.
    pub subject: String,
    /// The HTML body.
    pub html: String,
}

/// The mails that went out, and under which key and content.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) mails: Vec<Mail>,
    /// Idempotency key to the request that used it and the id it was given.
    by_key: BTreeMap<String, (Value, String)>,
}

impl Outbox {
    fn send(&mut self, key: Option<String>, request: Value) -> Response {
        if let Some((first, id)) = key.as_ref().and_then(|key| self.by_key.get(key)) {
            if *first == request {
                return Json(json!({ "id": id })).into_response();
            }
            let said = "This idempotency key has been used on a request with a different payload.";
            return error(StatusCode::CONFLICT, "invalid_idempotent_request", said);
        }
        let mail = match read(&request, key.clone(), self.mails.len()) {
            Ok(mail) => mail,
            Err(missing) => {
                let said = format!("Missing `{missing}` field.");
                return error(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "missing_required_field",
                    &said,
                );
            }
        };
        let id = mail.id.clone();
        if let Some(key) = key {
            self.by_key.insert(key, (request, id.clone()));
        }
        self.mails.push(mail);
        Json(json!({ "id": id })).into_response()
    }
}

fn read(request: &Value, idempotency_key: Option<String>, at: usize) -> Result<Mail, &'static str> {
    let text = |name| request[name].as_str().map(str::to_owned).ok_or(name);
    let to = match &request["to"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    if to.is_empty() {
        return Err("to");
    }
    Ok(Mail {
        id: format!("00000000-0000-4000-8000-{at:012x}"),
        idempotency_key,
        from: text("from")?,
        to,
        subject: text("subject")?,
        html: text("html")?,
    })
}

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/emails", post(send))
}

async fn send(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let key = idempotency_key(&headers);
    let call = Call {
        service: Service::Resend,
        operation: "emails.send",
        subject: request["subject"].as_str().unwrap_or_default().to_owned(),
        idempotency_key: key.clone(),
    };
    let authorised = bearer(&headers).is_some_and(|token| token.starts_with("re_"));
    let act = move |state: &mut crate::world::State| {
        if !authorised {
            return error(
                StatusCode::UNAUTHORIZED,
                "missing_api_key",
                "Missing API key.",
            );
        }
        state.outbox.send(key, request)
    };
    world.answer(call, &cut, act).await
}

/// Resend's error object.
pub(crate) fn error(status: StatusCode, name: &str, said: &str) -> Response {
    let body = json!({ "statusCode": status.as_u16(), "name": name, "message": said });
    (status, Json(body)).into_response()
}
