//! The fake Google: the token endpoint of a service account, and the values of one spreadsheet.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::calls::{Call, Service};
use crate::cuttable::Cut;
use crate::fakes::ORDERS_SHEET_ID;
use crate::service_account::CLIENT_EMAIL;
use crate::sheet::{A1Range, Sheet};
use crate::world::{World, bearer, idempotency_key};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const SCOPE: &str = "https://www.googleapis.com/auth/spreadsheets";
/// The longest life Google grants an assertion, in seconds.
const ASSERTION_LIFE_MAX_S: u64 = 3_600;

/// The bearer tokens that were handed out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    issued: BTreeSet<String>,
}

impl Tokens {
    fn issue(&mut self) -> String {
        let token = format!("ya29.fake-{}", self.issued.len());
        self.issued.insert(token.clone());
        token
    }

    /// Forgets every token, as if all had expired.
    pub(crate) fn revoke(&mut self) {
        // The count feeds the next token's name, so old ones are renamed instead of removed.
        self.issued = (0..self.issued.len())
            .map(|at| format!("revoked-{at}"))
            .collect();
    }

    fn accepts(&self, headers: &HeaderMap) -> bool {
        bearer(headers)
            .is_some_and(|token| token.starts_with("ya29.") && self.issued.contains(token))
    }
}

pub(crate) fn routes() -> Router<Arc<World>> {
    Router::new().route("/token", post(token)).route(
        "/v4/spreadsheets/{id}/values/{range}",
        get(read).post(append).put(update),
    )
}

/// The path under which [`routes`] puts the token endpoint.
pub(crate) fn token_uri(origin: &str) -> String {
    format!("{origin}/google/token")
}

#[derive(Deserialize)]
struct Grant {
    grant_type: String,
    assertion: String,
}

async fn token(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    Form(grant): Form<Grant>,
) -> Response {
    let call = Call {
        service: Service::GoogleToken,
        operation: "token",
        subject: CLIENT_EMAIL.to_owned(),
        idempotency_key: idempotency_key(&headers),
    };
    let verdict = check(&world, &grant);
    let act = move |state: &mut crate::world::State| match verdict {
        Ok(()) => {
            let token = state.tokens.issue();
            Json(json!({ "access_token": token, "expires_in": 3599, "token_type": "Bearer" }))
                .into_response()
        }
        Err(said) => token_error(StatusCode::BAD_REQUEST, "invalid_grant", &said),
    };
    world.answer(call, &cut, act).await
}

fn check(world: &World, grant: &Grant) -> Result<(), String> {
    if grant.grant_type != GRANT_TYPE {
        return Err(format!("Invalid grant_type: {}", grant.grant_type));
    }
    let checked = world.key.check(&grant.assertion, &token_uri(&world.origin));
    let assertion = checked.map_err(|error| format!("Invalid JWT Signature: {error}"))?;
    if assertion.scope != SCOPE {
        return Err(format!("Invalid scope: {}", assertion.scope));
    }
    if assertion.exp.saturating_sub(assertion.iat) > ASSERTION_LIFE_MAX_S {
        return Err("Invalid JWT: Token must be a short-lived token (60 minutes)".to_owned());
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadOptions {
    #[serde(default)]
    major_dimension: Option<String>,
}

async fn read(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path((id, range)): Path<(String, String)>,
    Query(options): Query<ReadOptions>,
    headers: HeaderMap,
) -> Response {
    let call = sheets_call("values.get", &range, &headers);
    let act = move |state: &mut crate::world::State| {
        let range = match admit(state, &headers, &id, &range) {
            Ok(range) => range,
            Err(refusal) => return refusal,
        };
        let by_columns = options.major_dimension.as_deref() == Some("COLUMNS");
        Json(state.sheet.read(&range, by_columns)).into_response()
    };
    world.answer(call, &cut, act).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WriteOptions {
    #[serde(default)]
    value_input_option: Option<String>,
    #[serde(default)]
    insert_data_option: Option<String>,
}

#[derive(Deserialize)]
struct ValueRange {
    values: Vec<Vec<Value>>,
}

async fn append(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path((id, target)): Path<(String, String)>,
    Query(options): Query<WriteOptions>,
    headers: HeaderMap,
    Json(body): Json<ValueRange>,
) -> Response {
    let first = body
        .values
        .first()
        .and_then(|row| row.first())
        .and_then(Value::as_str);
    let call = sheets_call("values.append", first.unwrap_or_default(), &headers);
    let act = move |state: &mut crate::world::State| {
        let Some(range) = target.strip_suffix(":append") else {
            return error(StatusCode::NOT_FOUND, "NOT_FOUND", "unknown method");
        };
        let range = match admit(state, &headers, &id, range) {
            Ok(range) => range,
            Err(refusal) => return refusal,
        };
        let rows = match cells(&body.values, options.value_input_option.as_deref()) {
            Ok(rows) => rows,
            Err(refusal) => return refusal,
        };
        if !matches!(
            options.insert_data_option.as_deref(),
            None | Some("OVERWRITE" | "INSERT_ROWS")
        ) {
            return invalid("Invalid value at 'insert_data_option'");
        }
        Json(state.sheet.append(&id, &range, rows)).into_response()
    };
    world.answer(call, &cut, act).await
}

async fn update(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path((id, range)): Path<(String, String)>,
    Query(options): Query<WriteOptions>,
    headers: HeaderMap,
    Json(body): Json<ValueRange>,
) -> Response {
    let call = sheets_call("values.update", &range, &headers);
    let act = move |state: &mut crate::world::State| {
        let range = match admit(state, &headers, &id, &range) {
            Ok(range) => range,
            Err(refusal) => return refusal,
        };
        match cells(&body.values, options.value_input_option.as_deref()) {
            Ok(rows) => Json(state.sheet.update(&id, &range, rows)).into_response(),
            Err(refusal) => refusal,
        }
    };
    world.answer(call, &cut, act).await
}

/// Token, spreadsheet and range, checked in the order in which Google complains.
#[expect(
    clippy::result_large_err,
    reason = "the error is the reply itself, made once per refused call"
)]
fn admit(
    state: &crate::world::State,
    headers: &HeaderMap,
    id: &str,
    range: &str,
) -> Result<A1Range, Response> {
    if !state.tokens.accepts(headers) {
        let said = "Request had invalid authentication credentials.";
        return Err(error(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", said));
    }
    if id != ORDERS_SHEET_ID {
        return Err(error(
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "Requested entity was not found.",
        ));
    }
    Sheet::range(range).ok_or_else(|| invalid(&format!("Unable to parse range: {range}")))
}

/// The cells as the sheet keeps them: raw values as they are, user-entered formulas evaluated.
#[expect(
    clippy::result_large_err,
    reason = "the error is the reply itself, made once per refused call"
)]
fn cells(values: &[Vec<Value>], input: Option<&str>) -> Result<Vec<Vec<String>>, Response> {
    let evaluate = match input {
        Some("RAW") => false,
        Some("USER_ENTERED") => true,
        None | Some(_) => return Err(invalid("'valueInputOption' is required but not specified")),
    };
    let cell = |value: &Value| match value {
        Value::String(text) if evaluate && text.starts_with('=') => "#EVALUATED!".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    Ok(values
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect())
}

fn sheets_call(operation: &'static str, subject: &str, headers: &HeaderMap) -> Call {
    Call {
        service: Service::Sheets,
        operation,
        subject: subject.to_owned(),
        idempotency_key: idempotency_key(headers),
    }
}

fn invalid(said: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", said)
}

/// Google's error object.
pub(crate) fn error(status: StatusCode, name: &str, said: &str) -> Response {
    let body = json!({ "error": { "code": status.as_u16(), "message": said, "status": name } });
    (status, Json(body)).into_response()
}

/// The token endpoint's error object.
pub(crate) fn token_error(status: StatusCode, name: &str, said: &str) -> Response {
    (
        status,
        Json(json!({ "error": name, "error_description": said })),
    )
        .into_response()
}
