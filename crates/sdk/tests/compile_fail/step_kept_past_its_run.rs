//! `step` kept in a place that outlives the run.

use std::cell::RefCell;

use stepwell::{Error, Step, workflow};

thread_local! {
    static KEPT: RefCell<Option<&'static mut Step>> = const { RefCell::new(None) };
}

#[workflow]
async fn keep(step: &mut Step, order: u64) -> Result<u64, Error> {
    KEPT.with_borrow_mut(|kept| *kept = Some(step));
    Ok(order)
}

fn main() {}
