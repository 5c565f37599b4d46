//! `POST /v1/runs/{id}/fork`: a new run with another's results before a step.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use stepwell_core::limits::JSON_DEPTH;
use stepwell_core::{Payload, RunId, StepAddress};
use stepwell_engine::ForkAsk;

use super::{bad, run_id};
use crate::body;
use crate::error::ApiError;
use crate::event_body;
use crate::router::Api;
use crate::wire::ForkJson;

/// Bytes of a request beside its input.
const AROUND_INPUT_BYTES: usize = 4 * 1024;

/// What a request may hold, each field yet to be read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields<'a> {
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
    version: Option<&'a RawValue>,
    dry_run: Option<&'a RawValue>,
}

/// Answers 201 with what the new run has and what it does anew; 200, and no new run, for a dry run.
pub(crate) async fn fork(
    State(api): State<Api>,
    Path(id): Path<String>,
    request: Request,
) -> Result<(StatusCode, Json<ForkJson>), ApiError> {
    let run = run_id(&id)?;
    let limit = api.settings.event_bytes_max;
    let body = body::read(request, limit.saturating_add(AROUND_INPUT_BYTES)).await?;
    let (ask, dry_run) = read(run, &body)?;
    if ask.input.as_ref().is_some_and(|input| input.len() > limit) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    if dry_run {
        let forked = api.engine.preview_fork(&ask).await?;
        return Ok((StatusCode::OK, Json(ForkJson::of(&ask, forked))));
    }
    let (engine, asked) = (api.engine.clone(), ask.clone());
    // On its own, because this future is dropped when the caller hangs up.
    let forking = tokio::spawn(async move { engine.fork(&asked).await });
    let forked = forking.await.map_err(|_| ApiError::ShuttingDown)??;
    Ok((StatusCode::CREATED, Json(ForkJson::of(&ask, forked))))
}

fn read(run: RunId, body: &[u8]) -> Result<(ForkAsk, bool), ApiError> {
    // The request itself is no part of its input.
    let text = event_body::value(body, JSON_DEPTH + 1)?;
    // An array would be taken for the fields in their order.
    let object = text.starts_with('{');
    let fields: Option<Fields<'_>> = serde_json::from_str(text).ok().filter(|_| object);
    let expected = "an object with `from`, and of `input`, `version` and `dry_run` what is needed";
    let fields = fields.ok_or_else(|| bad("body", expected))?;
    let named = fields.from.and_then(of::<String>);
    let step: Option<StepAddress> = named.and_then(|text| text.parse().ok());
    let expected = "a step as the run's journal names it";
    let step = step.ok_or_else(|| bad("from", expected))?;
    let version = fields.version.map(|raw| {
        let version = of::<u32>(raw).filter(|version| *version > 0);
        version.ok_or_else(|| bad("version", "a version of the workflow, from 1"))
    });
    let dry_run = fields
        .dry_run
        .map(|raw| of::<bool>(raw).ok_or_else(|| bad("dry_run", "true or false")));
    let ask = ForkAsk {
        run,
        step,
        input: fields.input.map(|raw| Payload::from_json(raw.get())),
        version: version.transpose()?,
    };
    Ok((ask, dry_run.transpose()?.unwrap_or(false)))
}

fn of<T: serde::de::DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: RunId = RunId::from_bytes([7; 16]);

    #[test]
    fn a_step_is_enough_and_an_input_is_kept_as_it_came() {
        let (ask, dry_run) = read(RUN, br#"{"from":"trip/0/pay:2"}"#).unwrap();
        assert_eq!(ask.step.to_string(), "trip/0/pay:2");
        assert!(ask.input.is_none() && ask.version.is_none() && !dry_run);
        let body = br#"{"from":"pay","input":{ "n": 1.50 },"version":2,"dry_run":true}"#;
        let (ask, dry_run) = read(RUN, body).unwrap();
        let input = ask.input.map(|input| input.as_json().to_owned());
        assert_eq!(input.as_deref(), Some(r#"{ "n": 1.50 }"#));
        assert!(ask.version == Some(2) && dry_run);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, name) in [
            (r#"{}"#, "from"),
            (r#"{"from":7}"#, "from"),
            (r#"{"from":"pay:"}"#, "from"),
            (r#"{"from":"pay","version":0}"#, "version"),
            (r#"{"from":"pay","version":"2"}"#, "version"),
            (r#"{"from":"pay","dry_run":"yes"}"#, "dry_run"),
            (r#"{"from":"pay","inputs":1}"#, "body"),
            (r#"["pay"]"#, "body"),
        ] {
            let refused = read(RUN, body.as_bytes()).unwrap_err();
            let found = match &refused {
                ApiError::BadParameter { name, .. } => *name,
                _ => panic!("{body}: {refused}"),
            };
            assert_eq!(found, name, "{body}");
        }
    }
}
