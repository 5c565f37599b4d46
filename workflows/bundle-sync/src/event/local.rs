//! Events that start the sync inside one app: what its shop and its sign-in say.

use serde::{Deserialize, Serialize};
use stepwell::Event;

use super::{Email, Provider};

/// A purchase was recorded. Its id: `purchase/created:<purchaseId>`.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("purchase/created", key = "purchaseId")]
#[serde(rename_all = "camelCase")]
pub struct PurchaseCreated {
    /// The purchase.
    pub purchase_id: String,
}

/// Money of a purchase went back. Its id: `purchase/refunded:<purchaseId>:<amountRefunded>`.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("purchase/refunded", key = "purchaseId")]
#[serde(rename_all = "camelCase")]
pub struct PurchaseRefunded {
    /// The purchase.
    pub purchase_id: String,
    /// What was paid, in cents.
    pub amount: i64,
    /// What went back in all so far, in cents.
    pub amount_refunded: i64,
    /// Whether that is all of it.
    pub full: bool,
}

/// Somebody signed in to this app with an account of a provider.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("user/oauth-signed-in", key = "userId")]
#[serde(rename_all = "camelCase")]
pub struct OAuthSignedIn {
    /// The user of this app.
    pub user_id: String,
    /// The provider.
    pub provider: Provider,
    /// The provider's id of the account, as text.
    pub provider_account_id: String,
    /// The address here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Whether it is verified here.
    #[serde(default)]
    pub email_verified: bool,
    /// The session.
    pub session_id: String,
    /// When, in ISO 8601.
    pub login_at: String,
}

/// The owner of a link removed it in this app.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("account/unlink-requested", key = "userId")]
#[serde(rename_all = "camelCase")]
pub struct UnlinkRequested {
    /// The user of this app.
    pub user_id: String,
    /// When, in ISO 8601.
    pub unlinked_at: String,
}
