//! The events of the bundle sync: those that cross the bridge, and those that start it on one side.
//!
//! Every event that crosses has an id made of what it is about, so that sending it again, for
//! whatever reason, sends nothing new. What comes over the bridge is checked before it is believed:
//! [`Checked::check`] is the first thing each workflow does.

mod check;
mod local;

use std::fmt;

use serde::{Deserialize, Serialize};
use stepwell::Event;

use crate::app::AppName;
pub use check::{BadEvent, Checked};
pub use local::{OAuthSignedIn, PurchaseCreated, PurchaseRefunded, UnlinkRequested};

/// The version of the payloads below.
pub const VERSION: u32 = 1;

/// An e-mail address: personal, so its `Debug` text withholds it and no error repeats it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The address as it was given.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        Self(address.into())
    }

    /// The address itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The address as both apps compare it: trimmed, in lower case. Dots and what follows a plus are
    /// part of it.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.0.trim().to_lowercase()
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(withheld)")
    }
}

/// What every event that crosses the bridge says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The version of the payload.
    pub version: u32,
    /// The app that sent it.
    pub source_app: AppName,
    /// When it was written, in ISO 8601 and UTC.
    pub emitted_at: String,
}

/// An event that crosses the bridge.
pub trait BridgeEvent: Event + Checked {
    /// The id under which it is sent, made of what it is about.
    fn id(&self) -> String;
}

/// A product of the receiver was sold by the sender.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("bundle/purchased", key = "purchaseId")]
#[serde(rename_all = "camelCase")]
pub struct BundlePurchased {
    /// Version, sender, time.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The purchase in the selling app.
    pub purchase_id: String,
    /// The purchaser's address at the time of the purchase.
    pub buyer_email: Email,
    /// The user of the granting app, where the selling app knows of a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_user_id: Option<String>,
    /// The user of the selling app; decides what is claimed before an address does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_user_id: Option<String>,
    /// The product that was sold.
    pub bundle_product_id: String,
    /// The product of the granting app in it.
    pub target_product_id: String,
    /// The buyer's name, for mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_name: Option<String>,
    /// When it was bought, in ISO 8601.
    pub purchased_at: String,
    /// `Valid` or `Restricted`.
    pub purchase_status: String,
    /// The sender's sync row, echoed in the answer.
    pub cross_app_sync_id: String,
}

/// Whether a grant gives access yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granted {
    /// It does.
    Active,
    /// Once the buyer has linked the accounts.
    Pending,
}

/// The answer to [`BundlePurchased`], and again once a pending grant was claimed.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("entitlement/granted", key = "sourcePurchaseId")]
#[serde(rename_all = "camelCase")]
pub struct EntitlementGranted {
    /// Version, sender, time.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The purchase in the selling app.
    pub source_purchase_id: String,
    /// The first of the entitlements.
    pub entitlement_id: String,
    /// All of them.
    pub entitlement_ids: Vec<String>,
    /// The product of the granting app.
    pub target_product_id: String,
    /// Whose they are; absent while they are pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_user_id: Option<String>,
    /// Whether they give access yet.
    pub status: Granted,
    /// When, in ISO 8601.
    pub granted_at: String,
    /// The selling app's sync row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross_app_sync_id: Option<String>,
}

/// Why access is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevokeReason {
    /// The money went back in full.
    Refund,
    /// The buyer disputes the payment.
    Dispute,
    /// The buyer is banned.
    Ban,
    /// The purchase belongs to somebody else.
    Transfer,
    /// A person decided so.
    Manual,
}

/// The selling app takes a product of the receiver back.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("entitlement/revoke", key = "sourcePurchaseId")]
#[serde(rename_all = "camelCase")]
pub struct EntitlementRevoke {
    /// Version, sender, time.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The purchase in the selling app.
    pub source_purchase_id: String,
    /// The product of the granting app.
    pub target_product_id: String,
    /// Why.
    pub reason: RevokeReason,
    /// The purchaser's address at the time of the purchase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_email: Option<Email>,
    /// The user of the selling app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_user_id: Option<String>,
    /// When, in ISO 8601.
    pub revoked_at: String,
}

/// What a revocation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokeOutcome {
    /// Access, or pending access, which is over.
    Revoked,
    /// What was revoked before.
    AlreadyRevoked,
    /// Nothing: the purchase was not heard of, and gives nothing when it is.
    Tombstoned,
}

/// The answer to [`EntitlementRevoke`].
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("entitlement/revoked", key = "sourcePurchaseId")]
#[serde(rename_all = "camelCase")]
pub struct EntitlementRevoked {
    /// Version, sender, time.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The purchase in the selling app.
    pub source_purchase_id: String,
    /// The product of the granting app.
    pub target_product_id: String,
    /// The entitlements; none when nothing was there.
    pub entitlement_ids: Vec<String>,
    /// What was found.
    pub outcome: RevokeOutcome,
    /// When, in ISO 8601.
    pub revoked_at: String,
}

/// How two accounts came to be linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "kebab-case")]
#[sqlx(rename_all = "kebab-case")]
pub enum LinkMethod {
    /// The same account at GitHub.
    #[serde(rename = "oauth-github")]
    #[sqlx(rename = "oauth-github")]
    OAuthGitHub,
    /// The same account at Discord.
    #[serde(rename = "oauth-discord")]
    #[sqlx(rename = "oauth-discord")]
    OAuthDiscord,
    /// Its owner said so.
    Explicit,
}

/// A link that was removed, as its removal is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemovedLink {
    /// The link.
    pub link_id: String,
    /// When, in ISO 8601.
    pub unlinked_at: String,
}

/// Two accounts were linked. Sent to the other app, and to the workflows of the app that linked them.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("account/linked", key = "linkId")]
#[serde(rename_all = "camelCase")]
pub struct AccountLinked {
    /// Version, sender, time.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The link's id, the same in both apps.
    pub link_id: String,
    /// The app that linked them, which knows already.
    pub origin_app: AppName,
    /// The user of Total TypeScript.
    pub tt_user_id: String,
    /// The user of AI Hero.
    pub ai_hero_user_id: String,
    /// Their address there, if it is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tt_email: Option<Email>,
    /// Their address there, if it is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_hero_email: Option<Email>,
    /// How.
    pub link_method: LinkMethod,
    /// When, in ISO 8601.
    pub linked_at: String,
    /// Links of either user that were removed before: whoever hears of this one first closes them.
    #[serde(default)]
    pub replaces: Vec<RemovedLink>,
}

/// A link was removed by its owner.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("account/unlinked", key = "linkId")]
#[serde(rename_all = "camelCase")]
pub struct AccountUnlinked {
    /// Version, sender, time.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The app in which it was removed, which knows already.
    pub origin_app: AppName,
    /// Which, and when.
    #[serde(flatten)]
    pub removed: RemovedLink,
}

/// An account elsewhere that people sign in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub.
    GitHub,
    /// Discord.
    Discord,
}

/// Somebody signed in to the sender with an account of a provider. No token crosses the bridge.
#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
#[event("user/oauth-login", key = "providerAccountId")]
#[serde(rename_all = "camelCase")]
pub struct OAuthLogin {
    /// Version, sender, time.
    #[serde(flatten)]
    pub envelope: Envelope,
    /// The app they signed in to.
    pub app: AppName,
    /// The user there.
    pub user_id: String,
    /// The provider.
    pub provider: Provider,
    /// The provider's id of the account, as text.
    pub provider_account_id: String,
    /// The address there: told on, never matched by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// Whether the address is verified there.
    #[serde(default)]
    pub email_verified: bool,
    /// The session, which makes one event of a sign-in.
    pub session_id: String,
    /// When, in ISO 8601.
    pub login_at: String,
}

impl Provider {
    /// Its name, as accounts are stored under it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Discord => "discord",
        }
    }

    /// The way accounts are linked by it.
    #[must_use]
    pub fn link_method(self) -> LinkMethod {
        match self {
            Self::GitHub => LinkMethod::OAuthGitHub,
            Self::Discord => LinkMethod::OAuthDiscord,
        }
    }
}

impl Granted {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
        }
    }
}

impl AccountLinked {
    /// The user of `app`.
    #[must_use]
    pub fn user_of(&self, app: AppName) -> &str {
        match app {
            AppName::TotalTypescript => &self.tt_user_id,
            AppName::AiHero => &self.ai_hero_user_id,
        }
    }

    /// Their verified address in `app`.
    #[must_use]
    pub fn email_of(&self, app: AppName) -> Option<&Email> {
        match app {
            AppName::TotalTypescript => self.tt_email.as_ref(),
            AppName::AiHero => self.ai_hero_email.as_ref(),
        }
    }
}

impl BridgeEvent for BundlePurchased {
    fn id(&self) -> String {
        format!(
            "{}:{}:{}",
            Self::NAME,
            self.purchase_id,
            self.target_product_id
        )
    }
}

impl BridgeEvent for EntitlementGranted {
    fn id(&self) -> String {
        let (purchase, product) = (&self.source_purchase_id, &self.target_product_id);
        format!(
            "{}:{purchase}:{product}:{}",
            Self::NAME,
            self.status.as_str()
        )
    }
}

impl BridgeEvent for EntitlementRevoke {
    fn id(&self) -> String {
        let (purchase, product) = (&self.source_purchase_id, &self.target_product_id);
        format!("{}:{purchase}:{product}", Self::NAME)
    }
}

impl BridgeEvent for EntitlementRevoked {
    fn id(&self) -> String {
        let (purchase, product) = (&self.source_purchase_id, &self.target_product_id);
        format!("{}:{purchase}:{product}", Self::NAME)
    }
}

impl BridgeEvent for AccountLinked {
    fn id(&self) -> String {
        format!("{}:{}", Self::NAME, self.link_id)
    }
}

impl BridgeEvent for AccountUnlinked {
    fn id(&self) -> String {
        format!("{}:{}", Self::NAME, self.removed.link_id)
    }
}

impl BridgeEvent for OAuthLogin {
    fn id(&self) -> String {
        let (provider, account) = (self.provider.as_str(), &self.provider_account_id);
        let (app, session) = (self.app.as_str(), &self.session_id);
        format!("{}:{app}:{provider}:{account}:{session}", Self::NAME)
    }
}

#[cfg(test)]
mod tests;
