//! What happens, in order: an order, a kill inside a transaction, a kill between steps, the end.
//!
//! Both kills hit at a moment that is held open. The first step to be killed waits for the
//! database's write lock, which this process holds; the second waits for a stand-in that was told
//! to hang. So nothing depends on who is faster.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use serde_json::json;
use stepwell_core::RunId;
use stepwell_core::run::RunStatus;
use stepwell_fakes::{
    Calls, Cart, Fakes, Mode, PaidCheckout, STRIPE_WEBHOOK_SECRET, Service, Switch,
};
use stepwell_server::wire::{EntryJson, EntryKind, JournalJson, RunJson};
use stepwell_swag_store::db::inventory;
use stepwell_swag_store::{Config, OrderPlaced, Shop, signature};
use tempfile::TempDir;

use super::engine::{EngineProcess, Site};
use super::telling::Telling;

/// How often the run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the demo's customer buys.
const VARIANT: &str = "var_aai-tee-grey-m";

/// How it ended.
pub(super) struct Outcome {
    pub(super) order: String,
    pub(super) journal: JournalJson,
    pub(super) calls: Calls,
    pub(super) kills: u32,
    pub(super) stock_before: i64,
    pub(super) stock_after: i64,
    pub(super) sheet_rows: usize,
    pub(super) stopped_cleanly: bool,
}

/// The world of the demo.
pub(super) struct Story {
    telling: Telling,
    fakes: Fakes,
    site: Site,
    /// Held for its end, which removes the directory.
    _directory: TempDir,
    /// Engines started so far.
    engines: u32,
    /// Entries of the journal told so far.
    told: usize,
}

impl Story {
    pub(super) async fn begin(telling: Telling) -> anyhow::Result<Self> {
        let fakes = Fakes::start(([127, 0, 0, 1], 0).into())
            .await
            .context("stand-ins cannot be started")?;
        telling.say(&format!(
            "stand-ins for Stripe, mail and Sheets on {}",
            fakes.url()
        ));
        let directory = tempfile::Builder::new()
            .prefix("stepwell-demo-")
            .tempdir()
            .context("temporary directory cannot be made")?;
        let site = Site {
            data: directory.path().join("data"),
            log: directory.path().join("engine.log"),
            environment: fakes.env(),
        };
        Ok(Self {
            telling,
            fakes,
            site,
            _directory: directory,
            engines: 0,
            told: 0,
        })
    }

    pub(super) async fn tell(mut self) -> anyhow::Result<Outcome> {
        let engine = self.start().await?;
        let shop = self.shop().await?;
        let stock_before = stock(&shop).await?;

        let lock = shop.db.pool().begin_with("BEGIN IMMEDIATE").await?;
        let paid = self.fakes.pay(Cart::default());
        self.deliver(&engine, &paid).await?;
        let run = started_run(&engine, &paid).await?;
        self.telling
            .say(&format!("run {run} of fulfill-order is there"));
        self.until_in_flight(&engine, run, "reserve-inventory")
            .await?;
        self.kill(engine, "inside the transaction of reserve-inventory")
            .await?;
        lock.rollback().await?;

        self.fakes.switch(Switch::new(Service::Sheets, Mode::Hang));
        let engine = self.start().await?;
        self.until_in_flight(&engine, run, "record-to-sheet")
            .await?;
        self.kill(engine, "between send-confirmation and record-to-sheet")
            .await?;
        self.fakes.restore(Service::Sheets);

        let engine = self.start().await?;
        let journal = self.until_over(&engine, run).await?;
        let status = engine.stop().await?;
        self.telling
            .say(&format!("engine {} asked to stop: {status}", self.engines));
        let stock_after = stock(&shop).await?;
        let rows = self.fakes.sheet_rows();
        let of_order = rows
            .iter()
            .filter(|row| row.first() == Some(&paid.order_id));
        Ok(Outcome {
            sheet_rows: of_order.count(),
            order: paid.order_id,
            journal,
            calls: self.fakes.calls(),
            kills: self.engines - 1,
            stock_before,
            stock_after,
            stopped_cleanly: status.success(),
        })
    }

    async fn start(&mut self) -> anyhow::Result<EngineProcess> {
        self.engines += 1;
        self.telling.waiting("the engine opens its store");
        let engine = EngineProcess::start(&self.site).await?;
        self.telling
            .say(&format!("engine {} is up on {}", self.engines, engine.url));
        Ok(engine)
    }

    async fn kill(&self, engine: EngineProcess, place: &str) -> anyhow::Result<()> {
        engine.kill().await?;
        self.telling.say(&format!(
            "engine {} killed with SIGKILL {place}",
            self.engines
        ));
        Ok(())
    }

    /// The shop as this process sees it: the same database the engine uses.
    async fn shop(&self) -> anyhow::Result<Shop> {
        let lookup = |name: &str| {
            let mut values = self.site.environment.iter();
            values
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        };
        Ok(Shop::connect(Config::read(&self.site.data, lookup)?).await?)
    }

    /// Delivers the notice as Stripe would: signed, over HTTP.
    async fn deliver(&self, engine: &EngineProcess, paid: &PaidCheckout) -> anyhow::Result<()> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let signed = signature::sign(STRIPE_WEBHOOK_SECRET, paid.event.as_bytes(), now_s);
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()?;
        let answer = client
            .post(format!("{}/api/webhooks/stripe", engine.url))
            .header("content-type", "application/json")
            .header("stripe-signature", signed)
            .body(paid.event.clone())
            .send()
            .await
            .context("webhook cannot be delivered")?;
        let status = answer.status();
        if !status.is_success() {
            bail!(
                "webhook answered {status}: {}",
                answer.text().await.unwrap_or_default()
            );
        }
        let order = &paid.order_id;
        self.telling.say(&format!(
            "signed checkout.session.completed for {order} delivered: {status}"
        ));
        Ok(())
    }

    async fn until_in_flight(
        &mut self,
        engine: &EngineProcess,
        run: RunId,
        step: &str,
    ) -> anyhow::Result<()> {
        self.telling.waiting(&format!("{step} to be in flight"));
        loop {
            let view = looked(engine.http.run(run).await)?;
            let flight = view.in_flight.as_ref();
            let found = flight.filter(|flight| flight.step.as_deref() == Some(step));
            self.tell_journal(engine, run).await?;
            if let Some(flight) = found {
                self.telling.say(&format!(
                    "  {step} is in flight, attempt {}",
                    flight.attempt
                ));
                return Ok(());
            }
            if over(&view) {
                bail!("run {run} is {} before {step} was in flight", view.status);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn until_over(
        &mut self,
        engine: &EngineProcess,
        run: RunId,
    ) -> anyhow::Result<JournalJson> {
        self.telling.waiting("the run to end");
        loop {
            let view = looked(engine.http.run(run).await)?;
            let journal = self.tell_journal(engine, run).await?;
            if over(&view) {
                return Ok(journal);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn tell_journal(
        &mut self,
        engine: &EngineProcess,
        run: RunId,
    ) -> anyhow::Result<JournalJson> {
        let journal = looked(engine.http.journal(run).await)?;
        for entry in journal.entries.iter().skip(self.told) {
            self.telling.say(&format!("  {}", sentence(entry)));
        }
        self.told = journal.entries.len();
        Ok(journal)
    }
}

fn looked<T>(answer: Result<T, stepwell_cli::Failure>) -> anyhow::Result<T> {
    answer.map_err(|failure| anyhow::anyhow!("{failure}"))
}

fn over(run: &RunJson) -> bool {
    run.status.ended() || run.status == RunStatus::Quarantined
}

/// What an entry says, in words.
fn sentence(entry: &EntryJson) -> String {
    let step = entry.step.as_deref().unwrap_or("workflow code");
    let attempt = entry.attempt.unwrap_or(0);
    let why = entry
        .error
        .as_ref()
        .map_or("", |error| error.message.as_str());
    match entry.kind {
        EntryKind::RunStarted => "journal: the run exists".to_owned(),
        EntryKind::StepSucceeded => format!("journal: {step} recorded, attempt {attempt}"),
        EntryKind::StepFailed => format!("journal: {step} failed, attempt {attempt}: {why}"),
        EntryKind::Recovered => {
            format!("journal: {step} was in flight at the kill, attempt {attempt}")
        }
        EntryKind::RunCompleted => "journal: the run completed".to_owned(),
        EntryKind::WaitStarted
        | EntryKind::WaitTimedOut
        | EntryKind::EventOffered
        | EntryKind::EventReceived
        | EntryKind::EventRejected
        | EntryKind::SignalReceived
        | EntryKind::ChildStarted
        | EntryKind::ForkStarted
        | EntryKind::BranchEnded
        | EntryKind::UndoStarted
        | EntryKind::RunContinued
        | EntryKind::RunKilled => format!("journal: {step}: {}", entry.kind.word()),
        EntryKind::AttemptFailed
        | EntryKind::CancelRequested
        | EntryKind::RunFailed
        | EntryKind::RunCancelled
        | EntryKind::Quarantined
        | EntryKind::Patched
        | EntryKind::Paused
        | EntryKind::Retried
        | EntryKind::Resumed => format!("journal: {} {why}", entry.kind.word()),
    }
}

/// The run the order started: there as soon as the webhook was answered.
async fn started_run(engine: &EngineProcess, paid: &PaidCheckout) -> anyhow::Result<RunId> {
    let event = format!("order-placed-{}", paid.session_id);
    let runs = looked(engine.http.runs_of_event(&event).await)?;
    let run = runs
        .first()
        .with_context(|| format!("event {event} started no run"))?;
    Ok(run.run_id.parse()?)
}

/// What is left of the variant: what one more order would find, without making it.
async fn stock(shop: &Shop) -> anyhow::Result<i64> {
    let order: OrderPlaced = serde_json::from_value(json!({
        "orderId": "ord_that_never_is",
        "amountTotal": 0,
        "currency": "usd",
        "lineItems": [{ "quantity": 1, "variantId": VARIANT }],
    }))?;
    let mut tx = shop.db.pool().begin_with("BEGIN IMMEDIATE").await?;
    let reserved = inventory::reserve(&mut tx, &order).await?;
    tx.rollback().await?;
    let reservation = reserved
        .reservations
        .first()
        .context("stock cannot be read")?;
    Ok(reservation.stock_after + reservation.quantity)
}
