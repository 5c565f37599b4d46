//! A schedule and an event at once: a tick's data is not the event's.

use stepwell::{Error, Event, Step, workflow};

#[derive(Event, serde::Serialize, serde::Deserialize)]
#[event("store/closed")]
struct Closed {}

#[workflow(on = Closed, cron = "@daily")]
async fn count_stock(_step: &mut Step, _closed: Closed) -> Result<u64, Error> {
    Ok(0)
}

fn main() {}
