//! The order confirmation by mail, through Resend; an order never fails for want of a mail.

use std::fmt::Display;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::config::{MailConfig, Secret};
use crate::event::OrderPlaced;
use crate::order_row::dollars;
use crate::outward::{CallError, Outward, below};

const SERVICE: &str = "resend";

/// A client of one Resend account.
#[derive(Clone, Debug)]
pub struct Mail {
    outward: Outward,
    api_base: Url,
    api_key: Option<Secret>,
    from: Option<String>,
    /// This deployment's address, for the link to the order.
    app_origin: String,
}

/// What `send-confirmation` records: sent, skipped for a reason, or failed for a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// Whether a mail went out.
    pub sent: bool,
    /// Resend's id of the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is not set, so that no mail was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Why the mail was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Confirmation {
    /// The order goes on without its mail, and the record says why.
    #[must_use]
    pub fn given_up(error: &impl Display) -> Confirmation {
        Confirmation {
            error: Some(error.to_string()),
            ..Confirmation::default()
        }
    }
}

#[derive(Serialize)]
struct NewMail<'a> {
    from: &'a str,
    to: [&'a str; 1],
    subject: String,
    html: String,
}

#[derive(Deserialize)]
struct SentMail {
    id: String,
}

impl Mail {
    pub(crate) fn new(config: MailConfig, app_origin: String, outward: Outward) -> Mail {
        Mail {
            outward,
            api_base: config.api_base,
            api_key: config.api_key,
            from: config.from,
            app_origin,
        }
    }

    /// Sends the confirmation of `order`, or says what is not set. Resend sends one mail for one
    /// `idempotency_key`, so an attempt that follows a lost reply gets the first mail's id.
    ///
    /// # Errors
    /// When Resend cannot be asked or refuses.
    pub async fn confirm(
        &self,
        order: &OrderPlaced,
        idempotency_key: &str,
    ) -> Result<Confirmation, CallError> {
        let to = order.encrypted.customer_email.as_deref();
        let (Some(api_key), Some(from), Some(to)) = (&self.api_key, &self.from, to) else {
            return Ok(Confirmation {
                skipped: Some(self.missing(to)),
                ..Confirmation::default()
            });
        };
        let mail = NewMail {
            from,
            to: [to],
            subject: format!("Order {} confirmed", order.order_id),
            html: html(order, &self.app_origin),
        };
        let url = below(&self.api_base, &["emails"]);
        let request = self
            .outward
            .http()
            .post(url)
            .bearer_auth(api_key.expose())
            .header("Idempotency-Key", idempotency_key)
            .json(&mail);
        let sent: SentMail = self
            .outward
            .send(SERVICE, request)
            .await
            .map_err(CallError::bare)?;
        Ok(Confirmation {
            sent: true,
            id: Some(sent.id),
            ..Confirmation::default()
        })
    }

    fn missing(&self, to: Option<&str>) -> String {
        let parts = [
            ("RESEND_API_KEY", self.api_key.is_none()),
            ("ORDER_EMAIL_FROM", self.from.is_none()),
            ("customerEmail", to.is_none()),
        ];
        let missing: Vec<&str> = parts
            .into_iter()
            .filter(|(_, missing)| *missing)
            .map(|(name, _)| name)
            .collect();
        missing.join(" + ")
    }
}

fn html(order: &OrderPlaced, app_origin: &str) -> String {
    let rows: String = order
        .line_items
        .iter()
        .map(|item| {
            format!(
                "<tr><td>{}</td><td>{}</td></tr>",
                escaped(item.name()),
                item.quantity
            )
        })
        .collect();
    let id = escaped(&order.order_id);
    let total = dollars(order.amount_total);
    let currency = escaped(&order.currency.to_uppercase());
    format!(
        "<p>Thank you for your order {id}.</p>\
         <table><tr><th>Item</th><th>Quantity</th></tr>{rows}</table>\
         <p>Total: {total} {currency}</p>\
         <p><a href=\"{origin}/orders/{id}\">Follow your order</a></p>",
        origin = escaped(app_origin),
    )
}

/// Text that stays text inside HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests;
