//! Typed events.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A named fact from outside, with the shape of its data.
///
/// Derived: `#[derive(Event)] #[event("store/order.placed", key = "orderId")]`.
pub trait Event: Serialize + DeserializeOwned + 'static {
    /// The event's name, as senders give it.
    const NAME: &'static str;

    /// The field of the data by which waits match, if the type declares one.
    const KEY: Option<&'static str>;
}
