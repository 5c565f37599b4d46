//! Whether the payload of an event can be believed, beyond having the right fields.

use stepwell::Event as _;
use thiserror::Error;

use super::{
    AccountLinked, AccountUnlinked, BundlePurchased, Email, EntitlementGranted, EntitlementRevoke,
    EntitlementRevoked, Envelope, OAuthLogin, OAuthSignedIn, PurchaseCreated, PurchaseRefunded,
    RemovedLink, UnlinkRequested, VERSION,
};

/// The longest id taken, in bytes.
const ID_BYTES_MAX: usize = 191;
/// The longest address taken, in bytes.
const EMAIL_BYTES_MAX: usize = 254;
/// The most entitlements one answer names, and the most links one link replaces.
const LIST_MAX: usize = 1_000;

/// An event that no workflow acts on. It names the field and never shows what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("read {event}: expected {field} to be {expected}: correct the sender")]
pub struct BadEvent {
    /// The event's name.
    pub event: &'static str,
    /// The field.
    pub field: &'static str,
    /// What it should hold.
    pub expected: &'static str,
}

/// An event whose fields have rules of their own.
pub trait Checked {
    /// Checks all of them.
    ///
    /// # Errors
    /// The first field that breaks its rule.
    fn check(&self) -> Result<(), BadEvent>;
}

/// The fields of one event, checked one after another.
struct Fields(&'static str);

impl Fields {
    fn must(
        &self,
        field: &'static str,
        holds: bool,
        expected: &'static str,
    ) -> Result<(), BadEvent> {
        if holds {
            return Ok(());
        }
        Err(BadEvent {
            event: self.0,
            field,
            expected,
        })
    }

    fn id(&self, field: &'static str, id: &str) -> Result<(), BadEvent> {
        let usable = !id.is_empty()
            && id.len() <= ID_BYTES_MAX
            && !id.chars().any(|c| c.is_control() || c.is_whitespace());
        self.must(field, usable, "1 to 191 bytes without white space")
    }

    fn optional_id(&self, field: &'static str, id: Option<&str>) -> Result<(), BadEvent> {
        id.map_or(Ok(()), |id| self.id(field, id))
    }

    fn ids(&self, field: &'static str, ids: &[String]) -> Result<(), BadEvent> {
        self.must(field, ids.len() <= LIST_MAX, "at most 1000 ids")?;
        ids.iter().try_for_each(|id| self.id(field, id))
    }

    fn email(&self, field: &'static str, email: &Email) -> Result<(), BadEvent> {
        let address = email.normalised();
        let parts = address.rsplit_once('@');
        let usable = address.len() <= EMAIL_BYTES_MAX
            && !address.chars().any(|c| c.is_control() || c.is_whitespace())
            && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        self.must(field, usable, "an e-mail address")
    }

    fn optional_email(&self, field: &'static str, email: Option<&Email>) -> Result<(), BadEvent> {
        email.map_or(Ok(()), |email| self.email(field, email))
    }

    fn time(&self, field: &'static str, time: &str) -> Result<(), BadEvent> {
        let read = time.parse::<jiff::Timestamp>().is_ok();
        self.must(field, read, "an instant in ISO 8601")
    }

    fn envelope(&self, envelope: &Envelope) -> Result<(), BadEvent> {
        self.must("version", envelope.version == VERSION, "1")?;
        self.time("emittedAt", &envelope.emitted_at)
    }

    fn removed(&self, removed: &RemovedLink) -> Result<(), BadEvent> {
        self.id("linkId", &removed.link_id)?;
        self.time("unlinkedAt", &removed.unlinked_at)
    }
}

impl Checked for BundlePurchased {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.envelope(&self.envelope)?;
        fields.id("purchaseId", &self.purchase_id)?;
        fields.email("buyerEmail", &self.buyer_email)?;
        fields.optional_id("linkedUserId", self.linked_user_id.as_deref())?;
        fields.optional_id("sourceUserId", self.source_user_id.as_deref())?;
        fields.id("bundleProductId", &self.bundle_product_id)?;
        fields.id("targetProductId", &self.target_product_id)?;
        fields.time("purchasedAt", &self.purchased_at)?;
        let gives_access = matches!(&*self.purchase_status, "Valid" | "Restricted");
        fields.must("purchaseStatus", gives_access, "Valid or Restricted")?;
        fields.id("crossAppSyncId", &self.cross_app_sync_id)
    }
}

impl Checked for EntitlementGranted {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.envelope(&self.envelope)?;
        fields.id("sourcePurchaseId", &self.source_purchase_id)?;
        fields.id("entitlementId", &self.entitlement_id)?;
        fields.ids("entitlementIds", &self.entitlement_ids)?;
        fields.id("targetProductId", &self.target_product_id)?;
        fields.optional_id("targetUserId", self.target_user_id.as_deref())?;
        fields.time("grantedAt", &self.granted_at)?;
        fields.optional_id("crossAppSyncId", self.cross_app_sync_id.as_deref())
    }
}

impl Checked for EntitlementRevoke {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.envelope(&self.envelope)?;
        fields.id("sourcePurchaseId", &self.source_purchase_id)?;
        fields.id("targetProductId", &self.target_product_id)?;
        fields.optional_email("buyerEmail", self.buyer_email.as_ref())?;
        fields.optional_id("sourceUserId", self.source_user_id.as_deref())?;
        fields.time("revokedAt", &self.revoked_at)
    }
}

impl Checked for EntitlementRevoked {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.envelope(&self.envelope)?;
        fields.id("sourcePurchaseId", &self.source_purchase_id)?;
        fields.id("targetProductId", &self.target_product_id)?;
        fields.ids("entitlementIds", &self.entitlement_ids)?;
        fields.time("revokedAt", &self.revoked_at)
    }
}

impl Checked for AccountLinked {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.envelope(&self.envelope)?;
        fields.id("linkId", &self.link_id)?;
        fields.id("ttUserId", &self.tt_user_id)?;
        fields.id("aiHeroUserId", &self.ai_hero_user_id)?;
        fields.optional_email("ttEmail", self.tt_email.as_ref())?;
        fields.optional_email("aiHeroEmail", self.ai_hero_email.as_ref())?;
        fields.time("linkedAt", &self.linked_at)?;
        fields.must(
            "replaces",
            self.replaces.len() <= LIST_MAX,
            "at most 1000 links",
        )?;
        self.replaces
            .iter()
            .try_for_each(|removed| fields.removed(removed))
    }
}

impl Checked for AccountUnlinked {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.envelope(&self.envelope)?;
        fields.removed(&self.removed)
    }
}

impl Checked for OAuthLogin {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.envelope(&self.envelope)?;
        fields.id("userId", &self.user_id)?;
        fields.id("providerAccountId", &self.provider_account_id)?;
        fields.optional_email("email", self.email.as_ref())?;
        fields.id("sessionId", &self.session_id)?;
        fields.time("loginAt", &self.login_at)
    }
}

impl Checked for PurchaseCreated {
    fn check(&self) -> Result<(), BadEvent> {
        Fields(Self::NAME).id("purchaseId", &self.purchase_id)
    }
}

impl Checked for PurchaseRefunded {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.id("purchaseId", &self.purchase_id)?;
        fields.must("amount", self.amount >= 0, "0 or more")?;
        fields.must("amountRefunded", self.amount_refunded >= 0, "0 or more")
    }
}

impl Checked for OAuthSignedIn {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.id("userId", &self.user_id)?;
        fields.id("providerAccountId", &self.provider_account_id)?;
        fields.optional_email("email", self.email.as_ref())?;
        fields.id("sessionId", &self.session_id)?;
        fields.time("loginAt", &self.login_at)
    }
}

impl Checked for UnlinkRequested {
    fn check(&self) -> Result<(), BadEvent> {
        let fields = Fields(Self::NAME);
        fields.id("userId", &self.user_id)?;
        fields.time("unlinkedAt", &self.unlinked_at)
    }
}
