//! Stand-ins for Stripe, Google, Resend and Slack on their own wire: for dev, demo and tests alone.
//!
//! One server on a loopback port plays all of them, each under its own path prefix:
//!
//! | service | routes |
//! | --- | --- |
//! | Stripe | `GET /stripe/v1/payment_intents/{id}`, `GET /stripe/v1/checkout/sessions/{id}/line_items` |
//! | Google token | `POST /google/token` (service-account grant, signature checked) |
//! | Google Sheets | `GET` and `PUT /google/v4/spreadsheets/{id}/values/{range}`, `POST …/{range}:append` |
//! | Resend | `POST /resend/emails` (same `Idempotency-Key`, same mail) |
//! | Slack | `POST /slack/webhook` |
//! | control | `GET /_fakes/calls`, `POST /_fakes/switch`, `POST /_fakes/checkout`, `GET /_fakes/mails`, `GET /_fakes/sheet`, `GET /_fakes/slack` |
//!
//! Every call is counted twice: *received* when it arrives and *acted* when it had its effect, so a
//! test can tell a lost reply from a lost request. A [`Switch`] makes a service fail, hang, act
//! without replying, or answer slowly. State lives in the memory of the process that runs the fakes
//! and survives whatever happens to the caller.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use stepwell_fakes::{Cart, Fakes, Mode, Service, Switch};
//!
//! let fakes = Fakes::start(([127, 0, 0, 1], 0).into()).await?;
//! fakes.switch(Switch::new(Service::Sheets, Mode::DropReply).on("values.append").times(1));
//! let paid = fakes.pay(Cart::default());
//! assert!(paid.event.contains("checkout.session.completed"));
//! assert_eq!(fakes.calls().received(Service::Sheets), 0);
//! # Ok(())
//! # }
//! ```

mod account;
mod calls;
mod cart;
mod control;
mod cuttable;
mod fakes;
mod google;
mod resend;
mod service_account;
mod sheet;
mod slack;
mod stripe;
mod switch;
mod world;

pub use account::{PaidCheckout, PaymentIntent};
pub use calls::{CallCount, Calls, Service};
pub use cart::{Cart, CartItem, Shipping};
pub use fakes::{Fakes, ORDERS_SHEET_ID, ORDERS_SHEET_NAME, STRIPE_WEBHOOK_SECRET};
pub use resend::Mail;
pub use switch::{Mode, Switch};
