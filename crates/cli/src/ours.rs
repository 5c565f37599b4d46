//! Our own products, as the binary registers them; the library beside this knows none.

mod demo;

use futures_util::future::BoxFuture;
use stepwell::{Client, Registry};
use stepwell_cli::{Connected, Product, ProductCommand, Rehearsal, Setting};
use stepwell_fakes::Fakes;
use stepwell_swag_store::fulfill_order::fulfill_order;
use stepwell_swag_store::{Config, Shop, registry, router};

/// The swag store.
pub(crate) struct SwagStore;

impl Product for SwagStore {
    fn name(&self) -> &'static str {
        "swag-store"
    }

    fn workflows(&self) -> Registry {
        Registry::new().with(fulfill_order)
    }

    fn unplugged(&self) -> Registry {
        match Shop::unplugged() {
            Some(shop) => registry(shop),
            None => self.workflows(),
        }
    }

    fn connect<'a>(&'a self, setting: Setting<'a>) -> BoxFuture<'a, anyhow::Result<Connected>> {
        Box::pin(async move {
            let config = Config::read(setting.data, |name| setting.environment.get(name))?;
            let shop = Shop::connect(config).await?;
            let registry = registry(shop.clone());
            let routes = move |client: Client| router(shop, client);
            Ok(Connected {
                registry,
                routes: Some(Box::new(routes)),
            })
        })
    }

    fn rehearse(&self) -> BoxFuture<'_, anyhow::Result<Option<Rehearsal>>> {
        Box::pin(async {
            let fakes = Fakes::start(([127, 0, 0, 1], 0).into()).await?;
            let named = |(name, value): (&str, String)| (name.to_owned(), value);
            Ok(Some(Rehearsal {
                url: fakes.url(),
                environment: fakes.env().into_iter().map(named).collect(),
                worth_trying,
                running: Box::new(fakes),
            }))
        })
    }

    fn commands(&self) -> Vec<Box<dyn ProductCommand>> {
        vec![Box::new(demo::Demo)]
    }
}

fn worth_trying(engine: &str, stand_ins: &str) -> Vec<String> {
    let order = r#"{"name":"store/order.placed","id":"order-placed-try-1","data":{"orderId":"ord_try_1","stripePaymentIntentId":"pi_try_1","amountTotal":2800,"currency":"usd","encrypted":{"customerEmail":"ada@customer.example"},"lineItems":[{"description":"AAI Tee","quantity":1,"amountTotal":2800,"variantId":"var_aai-tee-grey-m"}]}}"#;
    let json = "-H 'content-type: application/json'";
    vec![
        "# A paid order, sent as an event; sending it again starts nothing:".to_owned(),
        format!("curl -s {engine}/e/dev -d '{order}'"),
        "# What became of it:".to_owned(),
        format!("curl -s {engine}/v1/events/order-placed-try-1/runs"),
        "# Whom the workflow called, and how often each call had its effect:".to_owned(),
        format!("curl -s {stand_ins}/_fakes/calls"),
        "# Let the mail service fail twice, then send an order with another id:".to_owned(),
        format!(
            "curl -s {stand_ins}/_fakes/switch {json} -d '{{\"service\":\"resend\",\"mode\":\"fail\",\"status\":503,\"times\":2}}'"
        ),
    ]
}
