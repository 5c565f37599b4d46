//! Many clients that post events at once, and what each was told.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::api::event;
use super::engine::{Engine, client};

/// Requests to be posted, each with the ids of its events.
pub(crate) struct Crowd {
    event: &'static str,
    requests: Vec<Vec<String>>,
    /// Bytes of padding in each event.
    padding: usize,
}

/// What became of a crowd's requests.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    /// Ids of events answered with 200.
    pub(crate) acknowledged: Vec<String>,
    /// Answers that said no, with the ids asked for.
    pub(crate) refused: Vec<(StatusCode, Vec<String>)>,
    /// Ids asked for without an answer.
    pub(crate) unknown: Vec<String>,
}

#[derive(Deserialize)]
struct Sent {
    ids: Vec<String>,
}

impl Crowd {
    /// One request for each of `ids`, each one `event`.
    pub(crate) fn singly(event: &'static str, ids: impl IntoIterator<Item = String>) -> Self {
        let requests = ids.into_iter().map(|id| vec![id]).collect();
        Self {
            event,
            requests,
            padding: 0,
        }
    }

    /// Requests of several events.
    pub(crate) fn in_arrays(event: &'static str, requests: Vec<Vec<String>>) -> Self {
        Self {
            event,
            requests,
            padding: 0,
        }
    }

    /// Makes every event longer by `bytes`.
    pub(crate) fn padded(self, bytes: usize) -> Self {
        Self {
            padding: bytes,
            ..self
        }
    }

    /// Posts everything over so many connections; `acknowledged` hears how many requests were
    /// answered with 200 each time one is.
    pub(crate) async fn post(
        &self,
        engine: &Engine,
        connections: usize,
        acknowledged: impl Fn(usize) -> Result<()>,
    ) -> Result<Posted> {
        let (next, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let connection = async || {
            let http = client()?;
            let mut posted = Posted::default();
            while let Some(ids) = self.requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = http.post(engine.events_url()).json(&self.body(ids));
                let Ok(answer) = request.send().await else {
                    posted.unknown.extend_from_slice(ids);
                    continue;
                };
                if answer.status() != StatusCode::OK {
                    posted.refused.push((answer.status(), ids.clone()));
                    continue;
                }
                // The status alone acknowledges, even if the body is cut off.
                posted.acknowledged.extend_from_slice(ids);
                if let Ok(sent) = answer.json::<Sent>().await {
                    anyhow::ensure!(sent.ids == *ids, "sent {ids:?}, answered {:?}", sent.ids);
                }
                acknowledged(answered.fetch_add(1, Ordering::Relaxed) + 1)?;
            }
            Ok(posted)
        };
        let all = try_join_all((0..connections).map(|_| connection())).await?;
        Ok(all.into_iter().fold(Posted::default(), Posted::and))
    }

    fn body(&self, ids: &[String]) -> Value {
        let events = ids.iter().map(|id| {
            let mut event = event(self.event, id, id);
            if self.padding > 0 {
                event["data"]["padding"] = Value::from("x".repeat(self.padding));
            }
            event
        });
        let mut events: Vec<Value> = events.collect();
        if events.len() == 1 {
            events.remove(0)
        } else {
            Value::Array(events)
        }
    }
}

impl Posted {
    fn and(mut self, other: Self) -> Self {
        self.acknowledged.extend(other.acknowledged);
        self.refused.extend(other.refused);
        self.unknown.extend(other.unknown);
        self
    }
}
