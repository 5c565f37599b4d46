//! An order with a crash at any write of the engine, and orders in any order: the services are the
//! fakes on their own wire, the database is SQLite.

use serde_json::Value;
use stepwell::{Attempt, Error, Registry, Step, workflow};
use stepwell_fakes::{Fakes, Mode, Service, Switch};
use stepwell_testkit::{End, Scenario, crash_everywhere, ensure, shuffle};
use tempfile::TempDir;

use crate::event::OrderPlaced;
use crate::fulfill_order::Receipt;
use crate::shop::Shop;
use crate::testing::{fakes, order_of, shop, tee};

/// What the shop's steps reach: services, database.
struct Outside {
    fakes: Fakes,
    shop: Shop,
    /// The database is in it.
    _dir: TempDir,
}

async fn outside() -> Result<Outside, Error> {
    let (fakes, dir) = (fakes().await, tempfile::tempdir()?);
    let shop = shop(&fakes, &dir).await;
    Ok(Outside {
        fakes,
        shop,
        _dir: dir,
    })
}

/// Services that act and do not answer, once each: the caller cannot know.
async fn outside_that_drops_replies() -> Result<Outside, Error> {
    let outside = outside().await?;
    for (service, operation) in [
        (Service::Stripe, "payment_intents.retrieve"),
        (Service::Resend, "emails.send"),
        (Service::Sheets, "values.append"),
    ] {
        let drop = Switch::new(service, Mode::DropReply);
        outside.fakes.switch(drop.on(operation).times(1));
    }
    Ok(outside)
}

/// What the wall clock says, and whether a row was found or made: true of one attempt alone.
fn of_one_attempt(receipt: &mut Value) {
    receipt["recorded"]["recordedAt"].take();
    receipt["recorded"]["appended"].take();
    if let Some(reservations) = receipt["inventory"]["reservations"].as_array_mut() {
        reservations.iter_mut().for_each(|taken| {
            taken["reservedAt"].take();
        });
    }
}

fn scenario(outside: impl AsyncFn() -> Result<Outside, Error> + 'static) -> Scenario<Outside> {
    Scenario::new(outside, |outside| crate::registry(outside.shop.clone()))
        .forget(of_one_attempt)
        .invariant("each order is fulfilled once", fulfilled_once)
}

/// One payment, one reservation that the ledger agrees with, one mail and one row for each order.
async fn fulfilled_once(outside: &Outside, end: &End) -> Result<(), Error> {
    let orders = end.runs().len();
    for receipt in end.outputs::<Receipt>() {
        let status = receipt.map(|receipt| receipt.status);
        ensure(
            status.as_deref() == Some("fulfilled"),
            "an order is not fulfilled",
        )?;
    }
    let once = |what: &str, found: usize| {
        let broken = format!("{found} {what} for {orders} order(s)");
        ensure(found == orders, broken)
    };
    let calls = outside.fakes.calls();
    // Each kind of call is counted by payment and key: another key would be another charge.
    once("payments", calls.of(Service::Stripe).count())?;
    once("mails", outside.fakes.mails().len())?;
    once("rows in the sheet", outside.fakes.sheet_rows().len())?;
    once("orders in the database", count(outside, "orders").await?)?;
    once("reservations", count(outside, "order_reservations").await?)?;
    let taken: i64 = sqlx::query_scalar("SELECT SUM(initial_stock - stock) FROM product_variants")
        .fetch_one(outside.shop.db.pool())
        .await?;
    once("goods taken", usize::try_from(taken)?)?;
    once(
        "goods taken by the ledger",
        count(outside, "inventory_adjustments").await?,
    )
}

async fn count(outside: &Outside, table: &str) -> Result<usize, Error> {
    // `table` is one of the names above.
    let query = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    let rows: i64 = sqlx::query_scalar(query)
        .fetch_one(outside.shop.db.pool())
        .await?;
    Ok(usize::try_from(rows)?)
}

fn placed(id: &str, size: &str) -> OrderPlaced {
    order_of(id, vec![tee(size, 1)])
}

#[test]
fn an_order_is_fulfilled_once_whichever_write_the_engine_dies_at() {
    let survived = crash_everywhere(&scenario(outside).send(&placed("ord_1", "M"))).unwrap();
    assert_eq!(survived.writes, 6);
}

#[test]
fn an_order_survives_a_crash_at_any_write_while_services_act_without_answering() {
    let scenario = scenario(outside_that_drops_replies).send(&placed("ord_1", "M"));
    let survived = crash_everywhere(&scenario).unwrap();
    assert!(survived.writes > 6, "{survived}");
}

/// Confirms an order under another key on every attempt.
#[workflow(on = OrderPlaced, retries = 3)]
async fn confirm_carelessly(step: &mut Step, order: OrderPlaced) -> Result<(), Error> {
    let shop = step.get::<Shop>();
    step.run("send-confirmation", async |attempt: &Attempt| {
        let key = format!("{}/{}", attempt.idempotency_key(), attempt.number());
        let sent = shop.mail.confirm(&order, &key).await;
        sent.map(|_| ()).map_err(Error::retryable)
    })
    .await?;
    Ok(())
}

#[test]
fn a_mail_under_another_key_on_every_attempt_is_found_where_it_goes_out_twice() {
    let careless = Scenario::new(outside, |outside| {
        let shop = outside.shop.clone();
        Registry::new().with(confirm_carelessly).provide(shop)
    })
    .send(&placed("ord_1", "M"))
    .invariant("one mail", async |outside, _end| {
        let mails = outside.fakes.mails().len();
        ensure(mails == 1, format_args!("{mails} mails"))
    });
    let broken = crash_everywhere(&careless).unwrap_err();
    let pass = "write 2 of 3, with a crash before it: it is lost";
    assert_eq!((broken.pass(), broken.what()), (pass, "one mail: 2 mails"));
}

#[test]
fn orders_are_fulfilled_once_each_in_whichever_order_they_come_and_however_often() {
    let mut scenario = scenario(outside);
    for (id, size) in [("ord_1", "S"), ("ord_2", "M"), ("ord_3", "L")] {
        scenario = scenario.arrives_as(id, &placed(id, size));
    }
    shuffle(&scenario.forget(places_in_line)).unwrap();
}

/// Which row an order has, and which mail it is of the provider's, depends on which came first and
/// is nobody's business.
fn places_in_line(receipt: &mut Value) {
    receipt["recorded"]["updatedRange"].take();
    receipt["confirmation"]["id"].take();
}
