//! The handle on a running set of fakes: start, steer, look, stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::account::{PaidCheckout, PaymentIntent};
use crate::calls::{Calls, Service};
use crate::cart::Cart;
use crate::control;
use crate::cuttable::{Cut, CuttableListener};
use crate::google;
use crate::resend::{self, Mail};
use crate::service_account::AccountKey;
use crate::sheet::Sheet;
use crate::slack;
use crate::stripe;
use crate::switch::{Mode, Switch};
use crate::world::{World, unknown_route};

/// The spreadsheet the fake Google has.
pub const ORDERS_SHEET_ID: &str = "fake-orders-sheet";
/// The one tab of [`ORDERS_SHEET_ID`], with its header row in place.
pub const ORDERS_SHEET_NAME: &str = "Orders";
/// The secret to sign webhooks with; worth nothing outside the fakes.
pub const STRIPE_WEBHOOK_SECRET: &str = "whsec_dev_only_fakes";

/// A running set of fakes. Clones share it; it stops when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Fakes {
    running: Arc<Running>,
}

#[derive(Debug)]
struct Running {
    address: SocketAddr,
    world: Arc<World>,
    /// Dropping it ends the accept loop.
    _stop: oneshot::Sender<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for service in Service::ALL {
            self.world.release(service);
        }
    }
}

impl Fakes {
    /// Binds `address` (port 0 picks a free one) and serves until the last handle is dropped.
    ///
    /// # Errors
    /// When the address cannot be bound, or the throwaway service-account key cannot be made.
    pub async fn start(address: SocketAddr) -> io::Result<Fakes> {
        let key = AccountKey::of_this_process().map_err(io::Error::other)?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let world = World::new(
            format!("http://{address}"),
            key,
            Sheet::with_header(),
            since_epoch.as_secs(),
        );
        let world = Arc::new(world);
        let service = routes(world.clone()).into_make_service_with_connect_info::<Cut>();
        let (stop, stopped) = oneshot::channel::<()>();
        let server =
            axum::serve(CuttableListener(listener), service).with_graceful_shutdown(async {
                // The sender is never used, only dropped: either way the handle is gone.
                let _gone = stopped.await;
            });
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the fakes stopped serving");
            }
        });
        Ok(Fakes {
            running: Arc::new(Running {
                address,
                world,
                _stop: stop,
            }),
        })
    }

    /// Where the fakes listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running.address
    }

    /// `http://<address>`, without a trailing slash; the control routes are below `/_fakes`.
    #[must_use]
    pub fn url(&self) -> String {
        self.running.world.origin.clone()
    }

    /// The environment that points a product at these fakes. Names are those the products read.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        let world = &self.running.world;
        let origin = &world.origin;
        let key_file = world.key.key_file(&google::token_uri(origin));
        vec![
            ("STRIPE_API_BASE", format!("{origin}/stripe")),
            ("STRIPE_SECRET_KEY", "sk_test_dev_only_fakes".to_owned()),
            ("STRIPE_WEBHOOK_SECRET", STRIPE_WEBHOOK_SECRET.to_owned()),
            ("SHEETS_API_BASE", format!("{origin}/google")),
            ("GOOGLE_SERVICE_ACCOUNT_JSON", key_file),
            ("ORDERS_SHEET_ID", ORDERS_SHEET_ID.to_owned()),
            ("ORDERS_SHEET_NAME", ORDERS_SHEET_NAME.to_owned()),
            ("RESEND_API_BASE", format!("{origin}/resend")),
            ("RESEND_API_KEY", "re_dev_only_fakes".to_owned()),
            (
                "ORDER_EMAIL_FROM",
                "Swag Store <orders@swag.example>".to_owned(),
            ),
            ("SLACK_WEBHOOK_URL", format!("{origin}/slack/webhook")),
        ]
    }

    /// Puts a switch in force. Several for one service apply oldest first.
    pub fn switch(&self, switch: Switch) {
        self.running.world.set(switch);
    }

    /// Takes back every switch of `service` and releases what hangs.
    pub fn restore(&self, service: Service) {
        self.switch(Switch::new(service, Mode::Work));
    }

    /// A snapshot of the call counters.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.running.world.state().tally.snapshot()
    }

    /// A customer completes a checkout: session, line items and payment exist from here on.
    #[must_use]
    pub fn pay(&self, cart: Cart) -> PaidCheckout {
        self.running.world.state().stripe.pay(cart)
    }

    /// Sets or replaces a payment intent.
    pub fn put_payment_intent(&self, intent: PaymentIntent) {
        self.running.world.state().stripe.put_intent(intent);
    }

    /// Makes every Google bearer token handed out so far invalid.
    pub fn revoke_google_tokens(&self) {
        self.running.world.state().tokens.revoke();
    }

    /// The mails that went out, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.running.world.state().outbox.mails.clone()
    }

    /// The rows of the orders sheet below its header, top to bottom.
    #[must_use]
    pub fn sheet_rows(&self) -> Vec<Vec<String>> {
        self.running.world.state().sheet.orders()
    }

    /// What was posted to the Slack webhook, oldest first.
    #[must_use]
    pub fn slack_posts(&self) -> Vec<serde_json::Value> {
        self.running.world.state().slack.clone()
    }
}

fn routes(world: Arc<World>) -> Router {
    Router::new()
        .nest("/stripe", stripe::routes())
        .nest("/google", google::routes())
        .nest("/resend", resend::routes())
        .nest("/slack", slack::routes())
        .nest("/_fakes", control::routes())
        .fallback(unknown_route)
        .with_state(world)
}
