//! What the mistakes of `compile_fail/` turn into once mended: all of it compiles.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepwell::{Attempt, Database, Error, Event, Registry, Step, workflow};

#[derive(Event, Serialize, Deserialize)]
#[event("store/order.placed", key = "orderId")]
#[serde(rename_all = "camelCase")]
struct OrderPlaced {
    order_id: String,
    lines: Vec<u64>,
}

/// Steps one after the other, with bodies that borrow locals and earlier results.
#[workflow(on = OrderPlaced, name = "fulfill-the-order", retries = 4, version = 2)]
async fn fulfill_order(step: &mut Step, order: OrderPlaced) -> Result<u64, Error> {
    let at = step.now().await;
    let paid: u64 = step
        .run("pay", async |attempt: &Attempt| {
            Ok(total(&order, attempt.idempotency_key()))
        })
        .retries(2)
        .timeout(Duration::from_secs(10))
        .await?;
    if let Err(spent) = step
        .run("mail", async |_: &Attempt| Ok(order.order_id.len()))
        .await
    {
        // A spent step may be caught, and the workflow goes on.
        let _attempts = spent.attempts();
    }
    Ok(paid + at.as_ms())
}

fn total(order: &OrderPlaced, _idempotency_key: &str) -> u64 {
    order.lines.iter().sum()
}

/// Effects that belong together stand in one body, and futures without steps may race freely.
#[workflow]
async fn pay_and_reserve(step: &mut Step, order: u64) -> Result<u64, Error> {
    let (paid, reserved) = step
        .run("pay-and-reserve", async |_| {
            Ok(tokio::try_join!(pay(order), pay(order + 1))?)
        })
        .await?;
    Ok(paid + reserved)
}

async fn pay(order: u64) -> Result<u64, std::io::Error> {
    Ok(order)
}

/// A function that takes `&mut Step` lends it on, over any database.
async fn reserve<D: Database>(step: &mut Step, shop: &D) -> Result<(), Error> {
    step.transaction("reserve", shop, async |_: &mut D::Connection| Ok(()))
        .await?;
    Ok(())
}

/// A database that is never there, so that `reserve` has one to be compiled with.
enum Nowhere {}

impl Database for Nowhere {
    type Transaction = ();
    type Connection = ();

    fn label(&self) -> &str {
        match *self {}
    }

    async fn begin(&self, _: &stepwell::Receipt) -> Result<stepwell::Begun<()>, Error> {
        match *self {}
    }

    fn connection<'t>(&self, _: &'t mut ()) -> &'t mut () {
        match *self {}
    }

    async fn commit(&self, _: (), _: &stepwell::Receipt, _: &str) -> Result<(), Error> {
        match *self {}
    }
}

#[test]
fn mended_workflows_register_under_their_names() {
    let registry = Registry::new().with(fulfill_order).with(pay_and_reserve);
    assert_eq!(
        registry.names().collect::<Vec<_>>(),
        ["fulfill-the-order", "pay-and-reserve"]
    );
}

#[test]
fn a_function_may_borrow_the_step_and_lend_it_on() {
    // Compiling it is the test: the database exists in types alone.
    let _ = async |step: &mut Step, shop: &Nowhere| reserve(step, shop).await;
}
