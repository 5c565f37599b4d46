//! `POST /v1/runs`: a run of a workflow, started by its name, durable when answered.

use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use stepwell::StartOptions;
use stepwell_core::Payload;
use stepwell_core::limits::JSON_DEPTH;

use super::bad;
use crate::body;
use crate::error::ApiError;
use crate::event_body;
use crate::router::Api;
use crate::wire::{Instant, RunJson, StartedJson};

/// Bytes of a request beside its input.
const AROUND_INPUT_BYTES: usize = 4 * 1024;

/// What a request may hold, each field yet to be read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Fields<'a> {
    #[serde(borrow)]
    workflow: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
    key: Option<&'a RawValue>,
    keep_key_ms: Option<&'a RawValue>,
    at: Option<&'a RawValue>,
    delay_ms: Option<&'a RawValue>,
    start_within_ms: Option<&'a RawValue>,
    finish_within_ms: Option<&'a RawValue>,
}

/// A request that was read.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    workflow: String,
    input: Payload,
    options: StartOptions,
}

/// Answers 201 with the run; 200, and the run that has it, when the key was taken.
pub(crate) async fn start(
    State(api): State<Api>,
    request: Request,
) -> Result<(StatusCode, Json<StartedJson>), ApiError> {
    let limit = api.settings.event_bytes_max;
    let body = body::read(request, limit.saturating_add(AROUND_INPUT_BYTES)).await?;
    let asked = read(&body)?;
    if asked.input.len() > limit {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let engine = api.engine.clone();
    // On its own, because this future is dropped when the caller hangs up.
    let starting = tokio::spawn(async move {
        let Asked {
            workflow,
            input,
            options,
        } = asked;
        engine.start_run(&workflow, input, options).await
    });
    // Crash here: nothing was answered, and the caller tries again under the same key.
    let started = starting.await.map_err(|_| ApiError::ShuttingDown)?;
    let started = started.map_err(ApiError::of_call)?;
    let run = started.run;
    let view = api.engine.operator().run(run).await?;
    let run = RunJson::from(view.ok_or(ApiError::NoSuchRun { run })?);
    let status = if started.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let new = started.new;
    Ok((status, Json(StartedJson { run, new })))
}

fn read(body: &[u8]) -> Result<Asked, ApiError> {
    // The request itself is no part of its input.
    let text = event_body::value(body, JSON_DEPTH + 1)?;
    // An array would be taken for the fields in their order.
    let object = text.starts_with('{');
    let fields: Option<Fields<'_>> = serde_json::from_str(text).ok().filter(|_| object);
    let fields = fields.ok_or_else(|| {
        bad(
            "body",
            "an object with `workflow`, and of `input`, `key`, `keep_key_ms`, `at`, `delay_ms`, \
             `start_within_ms` and `finish_within_ms` what is needed",
        )
    })?;
    let named = fields.workflow.map(|raw| word(raw, "workflow"));
    let workflow = named.unwrap_or_else(|| Err(bad("workflow", "the name of a workflow")))?;
    let options = StartOptions {
        key: fields.key.map(|raw| word(raw, "key")).transpose()?,
        keep_key: length(fields.keep_key_ms, "keep_key_ms")?,
        at: fields.at.map(instant).transpose()?,
        delay: length(fields.delay_ms, "delay_ms")?,
        start_within: length(fields.start_within_ms, "start_within_ms")?,
        finish_within: length(fields.finish_within_ms, "finish_within_ms")?,
    };
    if options.at.is_some() && options.delay.is_some() {
        return Err(bad("delay_ms", "one of `at` and `delay_ms`, not both"));
    }
    if options.keep_key.is_some() && options.key.is_none() {
        return Err(bad("keep_key_ms", "a `key` beside it"));
    }
    let input = fields
        .input
        .map_or_else(Payload::null, |raw| Payload::from_json(raw.get()));
    Ok(Asked {
        workflow,
        input,
        options,
    })
}

fn word(raw: &RawValue, name: &'static str) -> Result<String, ApiError> {
    serde_json::from_str(raw.get()).map_err(|_| bad(name, "text"))
}

fn length(raw: Option<&RawValue>, name: &'static str) -> Result<Option<Duration>, ApiError> {
    let read = |raw: &RawValue| {
        let ms: u64 =
            serde_json::from_str(raw.get()).map_err(|_| bad(name, "whole milliseconds"))?;
        Ok(Duration::from_millis(ms))
    };
    raw.map(read).transpose()
}

fn instant(raw: &RawValue) -> Result<stepwell_core::Timestamp, ApiError> {
    let read: Result<Instant, _> = serde_json::from_str(raw.get());
    let expected = "an instant such as \"2026-11-22T08:55:04.120Z\"";
    read.map(|Instant(at)| at).map_err(|_| bad("at", expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_is_enough_and_its_input_is_kept_as_it_came() {
        let asked = read(br#"{"workflow":"a"}"#).unwrap();
        assert_eq!(asked.input, Payload::null());
        assert_eq!(asked.options, StartOptions::default());
        let asked = read(br#" {"workflow":"a","input":{ "n": 1.50 },"key":"k","delay_ms":5}"#);
        let asked = asked.unwrap();
        assert_eq!(asked.input.as_json(), r#"{ "n": 1.50 }"#);
        assert_eq!(asked.options.key.as_deref(), Some("k"));
        assert_eq!(asked.options.delay, Some(Duration::from_millis(5)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, name) in [
            (r#"{}"#, "workflow"),
            (r#"{"workflow":7}"#, "workflow"),
            (r#"{"workflow":"a","key":7}"#, "key"),
            (r#"{"workflow":"a","delay_ms":"1"}"#, "delay_ms"),
            (r#"{"workflow":"a","delay_ms":-1}"#, "delay_ms"),
            (r#"{"workflow":"a","at":"tomorrow"}"#, "at"),
            (r#"{"workflow":"a","keep_key_ms":1}"#, "keep_key_ms"),
            (r#"{"workflow":"a","inputs":1}"#, "body"),
            (r#"["a"]"#, "body"),
            (
                r#"{"workflow":"a","at":"2026-11-22T08:55:04Z","delay_ms":1}"#,
                "delay_ms",
            ),
        ] {
            let refused = read(body.as_bytes()).unwrap_err();
            let found = match &refused {
                ApiError::BadParameter { name, .. } => *name,
                _ => panic!("{body}: {refused}"),
            };
            assert_eq!(found, name, "{body}");
        }
    }

    #[test]
    fn an_input_is_looked_at_to_the_last_character() {
        for body in [
            "",
            r#"{"workflow":"a","input":1e999}"#,
            r#"{"workflow":"a","input":{"k":1,"k":2}}"#,
            r#"{"workflow":"a"} x"#,
        ] {
            let refused = read(body.as_bytes()).unwrap_err();
            assert_eq!(refused.code(), "malformed-body", "{body}");
        }
    }
}
