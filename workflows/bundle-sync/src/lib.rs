//! Access sold in one app and granted in another: two apps, each with its database and its engine.
//!
//! One app sells bundles that hold products of the other. Nothing is shared between them but a
//! secret: they tell each other what happened by events that cross a bridge, late, twice and in any
//! order. Both run the code of this crate; which app one is, is a setting of [`App`].
//!
//! The life of a purchase, file by file, each workflow in one of its own:
//!
//! 1. `emit_bundle_purchase` hears of a purchase, freezes what it sells in sync rows and tells the
//!    other app. `handle_bundle_purchase` grants it there: active for a buyer whose accounts are
//!    linked, pending for one whose are not. `handle_entitlement_granted` notes the answer.
//! 2. `link_accounts` links two accounts because their owner says so; `emit_oauth_login` and
//!    `check_oauth_autolink` because they sign in with the same account elsewhere.
//!    `handle_account_linked` records the other half, and `claim_pending_entitlements` gives what
//!    waited. `unlink_accounts` and `handle_account_unlinked` remove a link; what was granted stays.
//! 3. `emit_revocation` asks for it back once all money went back, `handle_revocation` takes it back,
//!    `handle_entitlement_revoked` notes that it is over.
//! 4. `retry_failed_syncs` sends again what could not be delivered; `release_message` what a person
//!    had to look at.
//!
//! Beneath them: `machine` says what each message does to each status, `event` what crosses and what
//! of it is believed, `db` holds the SQL, `send` sends a message of the outbox over the `bridge`, which
//! says which answers are tried again, held for a person, or final; `mail` tells buyers, `linking`
//! holds the rules of links, `answers` and `revoking` owe what one app says to the other.
//!
//! Everything here is what any user of `stepwell` could write: the engine is reached through its
//! authoring crate alone.

mod answers;
pub mod app;
pub mod bridge;
pub mod check_oauth_autolink;
pub mod claim_pending_entitlements;
pub mod db;
pub mod emit_bundle_purchase;
pub mod emit_oauth_login;
pub mod emit_revocation;
pub mod event;
pub mod handle_account_linked;
pub mod handle_account_unlinked;
pub mod handle_bundle_purchase;
pub mod handle_entitlement_granted;
pub mod handle_entitlement_revoked;
pub mod handle_revocation;
pub mod link_accounts;
mod linking;
pub mod machine;
pub mod mail;
pub mod release_message;
pub mod retry_failed_syncs;
mod revoking;
pub mod secret;
pub mod send;
pub mod unlink_accounts;

use stepwell::Registry;

pub use app::{App, AppName};

/// The workflows of one app with what they depend on, to be merged into an engine's registry.
#[must_use]
pub fn registry(app: App) -> Registry {
    unscheduled(app).with(retry_failed_syncs::retry_failed_syncs)
}

/// The same without what the clock starts: events and calls alone begin anything.
#[must_use]
pub fn unscheduled(app: App) -> Registry {
    Registry::new()
        .with(emit_bundle_purchase::emit_bundle_purchase)
        .with(handle_bundle_purchase::handle_bundle_purchase)
        .with(handle_entitlement_granted::handle_entitlement_granted)
        .with(emit_revocation::emit_revocation)
        .with(handle_revocation::handle_revocation)
        .with(handle_entitlement_revoked::handle_entitlement_revoked)
        .with(link_accounts::link_accounts)
        .with(unlink_accounts::unlink_accounts)
        .with(handle_account_linked::handle_account_linked)
        .with(handle_account_unlinked::handle_account_unlinked)
        .with(claim_pending_entitlements::claim_pending_entitlements)
        .with(emit_oauth_login::emit_oauth_login)
        .with(check_oauth_autolink::check_oauth_autolink)
        .with(release_message::release_message)
        .provide(app)
}
