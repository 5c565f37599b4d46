//! Typed events and the keys they are matched by.

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

/// What the engine knows of an event type without its Rust type: enough to index its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventType {
    /// The event's name.
    pub name: &'static str,
    /// The field by which waits match.
    pub key: Option<&'static str>,
}

impl EventType {
    /// The type of `E`.
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        Self {
            name: E::NAME,
            key: E::KEY,
        }
    }
}

/// A value that can stand for an event's key: text, whole numbers, flags; `()` where the event type
/// declares no key.
pub trait KeyText {
    /// The key as it is compared.
    fn key_text(&self) -> String;
}

impl KeyText for () {
    fn key_text(&self) -> String {
        String::new()
    }
}

impl<T: KeyText + ?Sized> KeyText for &T {
    fn key_text(&self) -> String {
        (**self).key_text()
    }
}

impl KeyText for str {
    fn key_text(&self) -> String {
        self.to_owned()
    }
}

macro_rules! displayed {
    ($($type:ty),*) => {$(
        impl KeyText for $type {
            fn key_text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

displayed!(
    String,
    bool,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    stepwell_core::RunId,
    stepwell_core::EventId
);
