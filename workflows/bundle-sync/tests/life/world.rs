//! The world outside: databases, mail providers, and bridges that note, fail, or join two engines.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;
use stepwell::sqlx::Sqlite;
use stepwell::{Client, Error, OutgoingEvent, Registry};
use stepwell_bundle_sync::app::DATABASE_LABEL;
use stepwell_bundle_sync::bridge::{Answer, Bridge, BridgeError, Message, signature};
use stepwell_bundle_sync::db::grants::has_access;
use stepwell_bundle_sync::db::shop::{self, NewPurchase, NewUser};
use stepwell_bundle_sync::event::{Email, Envelope, Provider, VERSION};
use stepwell_bundle_sync::mail::{Letter, Mail, MailAnswer, MailError};
use stepwell_bundle_sync::secret::Secret;
use stepwell_bundle_sync::{App, AppName, db, unscheduled};
use stepwell_testkit::{Kit, World};
use tempfile::TempDir;

pub(crate) const TT: AppName = AppName::TotalTypescript;
pub(crate) const AH: AppName = AppName::AiHero;
pub(crate) const BOUGHT_AT: &str = "2025-12-24T12:00:00.000Z";

/// What a bridge does with its nth attempt, which is the mth of that message, both from 1.
pub(crate) type Weather = Arc<dyn Fn(u32, u32) -> Result<Fate, BridgeError> + Send + Sync>;

/// What becomes of something that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    ArrivesTwice,
    ArrivesAndTheReplyIsLost,
    IsLost,
}

/// A mail provider that sends once for each key.
#[derive(Clone, Default)]
pub(crate) struct Post {
    sent: Arc<Mutex<BTreeMap<String, Letter>>>,
    fails: Arc<Mutex<u32>>,
    /// How often it was asked.
    asked: Arc<AtomicU32>,
}

impl Post {
    pub(crate) fn keys(&self) -> Vec<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.keys().cloned().collect()
    }

    /// The subjects of what was sent to an address.
    pub(crate) fn kinds_to(&self, address: &str) -> Vec<String> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let to = sent
            .iter()
            .filter(|(_, letter)| letter.to.expose() == address);
        to.map(|(key, _)| key.split(':').next().unwrap_or_default().to_owned())
            .collect()
    }

    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn fails(&self, times: u32) {
        *self.fails.lock().unwrap_or_else(PoisonError::into_inner) = times;
    }
}

impl Mail for Post {
    fn send<'a>(&'a self, key: &'a str, letter: &'a Letter) -> MailAnswer<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let mut fails = self.fails.lock().unwrap_or_else(PoisonError::into_inner);
            if *fails > 0 {
                *fails -= 1;
                return Err(MailError::Unavailable);
            }
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.insert(key.to_owned(), letter.clone());
            Ok(())
        })
    }
}

/// The way between the two apps: events arrive at the engine of the other, or are only noted where
/// there is none.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Wired>>);

#[derive(Default)]
struct Wired {
    engines: BTreeMap<AppName, Client>,
    /// Every attempt, accepted or not, by the id of the event.
    attempts: Vec<String>,
    /// What arrived, by id; the same id again changes nothing.
    arrived: BTreeMap<String, Message>,
    weather: Option<Weather>,
}

impl Wire {
    fn with<T>(&self, look: impl FnOnce(&mut Wired) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn connect(&self, app: AppName, engine: &World) {
        self.with(|wired| wired.engines.insert(app, engine.client()));
    }

    fn disconnect(&self) {
        self.with(|wired| wired.engines.clear());
    }

    pub(crate) fn weather(
        &self,
        weather: impl Fn(u32, u32) -> Result<Fate, BridgeError> + Send + Sync + 'static,
    ) {
        self.with(|wired| wired.weather = Some(Arc::new(weather)));
    }

    pub(crate) fn fine_weather(&self) {
        self.with(|wired| wired.weather = None);
    }

    /// The ids of events that arrived, in their order by name.
    pub(crate) fn arrived(&self) -> Vec<String> {
        self.with(|wired| wired.arrived.keys().cloned().collect())
    }

    pub(crate) fn body(&self, id: &str) -> serde_json::Value {
        let body = self.with(|wired| wired.arrived.get(id).map(|message| message.body.clone()));
        serde_json::from_str(&body.unwrap_or_default()).unwrap_or_default()
    }

    pub(crate) fn attempts(&self, id: &str) -> usize {
        self.with(|wired| wired.attempts.iter().filter(|known| *known == id).count())
    }
}

fn secret() -> Secret {
    Secret::new("the secret both apps share, long enough")
}

impl Bridge for Wire {
    fn post<'a>(&'a self, target: AppName, message: &'a Message) -> Answer<'a> {
        Box::pin(async move {
            let no_answer = BridgeError::NoAnswer { app: target };
            let (engine, fate) = self.with(|wired| {
                wired.attempts.push(message.id.clone());
                let count = |attempts: usize| u32::try_from(attempts).unwrap_or(u32::MAX);
                let nth = count(wired.attempts.len());
                let same = wired.attempts.iter().filter(|id| **id == message.id);
                let mth = count(same.count());
                let weather = wired.weather.as_ref();
                let fate = weather.map_or(Ok(Fate::Arrives), |of| of(nth, mth));
                (wired.engines.get(&target).cloned(), fate)
            });
            let fate = fate?;
            if fate == Fate::IsLost {
                return Err(no_answer);
            }
            let bytes = message.to_bytes();
            let bytes = bytes.map_err(|_| BridgeError::NotJson { app: target })?;
            let header = signature::sign(&secret(), &bytes);
            if signature::verify(&secret(), &header, &bytes).is_err() {
                return Err(BridgeError::of_status(target, 401, None));
            }
            let times = if fate == Fate::ArrivesTwice { 2 } else { 1 };
            for _ in 0..times {
                self.with(|wired| wired.arrived.insert(message.id.clone(), message.clone()));
                let Some(engine) = &engine else { continue };
                let data = serde_json::from_str(&message.body);
                let event = OutgoingEvent {
                    id: Some(message.id.clone()),
                    name: message.name.clone(),
                    data: data.map_err(|_| BridgeError::NotJson { app: target })?,
                    user: None,
                };
                let accepted = engine.send_all(vec![event]).await;
                accepted.map_err(|_| BridgeError::of_status(target, 503, None))?;
            }
            if fate == Fate::ArrivesAndTheReplyIsLost {
                return Err(no_answer);
            }
            Ok(())
        })
    }
}

/// A folder in memory where there is one: what a test writes need not survive the machine, and every
/// commit is synced.
fn scratch() -> std::io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// One app with everything around it.
pub(crate) struct Side {
    pub(crate) app: App,
    pub(crate) post: Post,
    pub(crate) wire: Wire,
    _dir: TempDir,
}

impl Side {
    pub(crate) async fn new(name: AppName, wire: Wire) -> Result<Self, Error> {
        let dir = scratch()?;
        let file = dir.path().join("app.db");
        let pool = db::open(SqliteConnectOptions::new().filename(file)).await?;
        let post = Post::default();
        let app = App {
            name,
            db: Sqlite::new(pool, DATABASE_LABEL).await?,
            bridge: Arc::new(wire.clone()),
            mail: Arc::new(post.clone()),
        };
        let side = Self {
            app,
            post,
            wire,
            _dir: dir,
        };
        side.furnish().await?;
        Ok(side)
    }

    /// The same users on both sides, each under an id of that side; a bundle of two products of AI
    /// Hero at Total TypeScript; the products at AI Hero.
    async fn furnish(&self) -> Result<(), Error> {
        let prefix = match self.app.name {
            AppName::TotalTypescript => "tt",
            AppName::AiHero => "ah",
        };
        for (name, account) in [("ada", "1001"), ("bob", "1002"), ("eve", "1003")] {
            let id = format!("{prefix}-{name}");
            self.put_user(&id, &format!("{name}@{prefix}.example"))
                .await?;
            let mut tx = self.pool().begin().await?;
            shop::put_oauth_account(&mut tx, Provider::GitHub, account, &id).await?;
            tx.commit().await?;
        }
        let mut tx = self.pool().begin().await?;
        if self.app.name == TT {
            let both = r#"[{"app": "ai-hero", "productId": "ah-cohort"},
                           {"app": "ai-hero", "productId": "ah-workshop"}]"#;
            let one = r#"[{"app": "ai-hero", "productId": "ah-cohort"}]"#;
            shop::put_product(&mut tx, "tt_bundle", "The bundle", Some(one)).await?;
            shop::put_product(&mut tx, "tt_double", "Two bundles", Some(both)).await?;
            shop::put_product(&mut tx, "tt_book", "A book", None).await?;
        } else {
            for product in ["ah-cohort", "ah-workshop"] {
                shop::put_product(&mut tx, product, product, None).await?;
                shop::put_resource(&mut tx, product, "content_access", product).await?;
            }
            shop::put_resource(&mut tx, "ah-cohort", "discord_role", "cohort").await?;
        }
        tx.commit().await?;
        Ok(())
    }

    pub(crate) fn pool(&self) -> &SqlitePool {
        self.app.db.pool()
    }

    pub(crate) fn registry(&self) -> Registry {
        unscheduled(self.app.clone())
    }

    /// With what the clock starts: a day is some hundred runs.
    pub(crate) fn scheduled(&self) -> Registry {
        stepwell_bundle_sync::registry(self.app.clone())
    }

    pub(crate) async fn put_user(&self, id: &str, email: &str) -> Result<(), Error> {
        let mut tx = self.pool().begin().await?;
        let user = NewUser {
            id,
            email: &Email::new(email),
            email_verified: true,
            name: None,
        };
        shop::put_user(&mut tx, &user).await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn buys(&self, id: &str, product: &str, quantity: i64) -> Result<(), Error> {
        let mut tx = self.pool().begin().await?;
        let purchase = NewPurchase {
            id,
            user_id: "tt-ada",
            product_id: product,
            quantity,
            buyer_email: &Email::new(" Ada@TT.example "),
            buyer_name: Some("Ada"),
            amount: 10_000,
            purchased_at: BOUGHT_AT,
        };
        shop::put_purchase(&mut tx, &purchase).await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn refunds(&self, id: &str, amount: i64) -> Result<(), Error> {
        let mut tx = self.pool().begin().await?;
        shop::put_refund(&mut tx, id, amount).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What a query of one text column gives, in its order.
    pub(crate) async fn texts(&self, query: &'static str) -> Result<Vec<String>, Error> {
        let texts: Vec<Option<String>> = sqlx::query_scalar(query).fetch_all(self.pool()).await?;
        Ok(texts
            .into_iter()
            .map(|text| text.unwrap_or_else(|| "-".to_owned()))
            .collect())
    }

    /// Sync rows: purchase, product, status.
    pub(crate) async fn syncs(&self) -> Result<Vec<String>, Error> {
        self.texts(
            "SELECT purchase_id || ' ' || target_product_id || ' ' || status
             FROM cross_app_syncs ORDER BY purchase_id, target_product_id",
        )
        .await
    }

    /// Entitlements: purchase, resource, status, and whose while it is known and matters.
    pub(crate) async fn entitlements(&self) -> Result<Vec<String>, Error> {
        self.texts(
            "SELECT source_purchase_id || ' ' || entitlement_type || '/' || resource_id || ' '
                 || status || CASE WHEN status = 'active' THEN ' ' || user_id ELSE '' END
             FROM entitlements
             ORDER BY source_purchase_id, entitlement_type, resource_id",
        )
        .await
    }

    pub(crate) async fn alerts(&self) -> Result<Vec<String>, Error> {
        self.texts("SELECT kind || ' ' || subject FROM alerts ORDER BY kind, subject")
            .await
    }

    pub(crate) async fn has_access(&self, user: &str, product: &str) -> Result<bool, Error> {
        Ok(has_access(self.pool(), user, product, BOUGHT_AT).await?)
    }
}

/// What an event that crosses says of itself.
pub(crate) fn envelope(source_app: AppName) -> Envelope {
    Envelope {
        version: VERSION,
        source_app,
        emitted_at: BOUGHT_AT.to_owned(),
    }
}

/// Two apps with an engine each, joined by a wire, on one clock.
pub(crate) struct Two<'w> {
    pub(crate) tt: Side,
    pub(crate) ah: Side,
    pub(crate) tt_world: &'w World,
    pub(crate) ah_world: World,
    pub(crate) wire: Wire,
}

/// Runs `test` over two apps.
#[track_caller]
pub(crate) fn two(test: impl AsyncFnOnce(&Two<'_>) -> Result<(), Error>) {
    two_over(0, Side::registry, test);
}

/// Runs `test` over two apps with these workflows, whose engines draw from `seed`.
#[track_caller]
pub(crate) fn two_over(
    seed: u64,
    registry: impl Fn(&Side) -> Registry,
    test: impl AsyncFnOnce(&Two<'_>) -> Result<(), Error>,
) {
    // A database needs a runtime, and the kit's comes with a world: the first of three engines runs
    // nothing.
    Kit::new(Registry::new()).seed(seed).test(async |idle| {
        let wire = Wire::default();
        let tt = Side::new(TT, wire.clone()).await?;
        let ah = Side::new(AH, wire.clone()).await?;
        let tt_world = idle.beside(registry(&tt)).await?;
        let ah_world = idle.beside(registry(&ah)).await?;
        wire.connect(TT, &tt_world);
        wire.connect(AH, &ah_world);
        let two = Two {
            tt,
            ah,
            tt_world: &tt_world,
            ah_world,
            wire,
        };
        let ended = test(&two).await;
        // An engine holds its app, which holds the wire: without this they keep each other.
        two.wire.disconnect();
        ended
    });
}
