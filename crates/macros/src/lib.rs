//! The `#[workflow]` attribute and the `Event` derive, and the quality of their error messages.

mod event;
mod workflow;

use proc_macro::TokenStream;

/// Makes an `async fn(&mut Step, Input) -> Result<Output, Error>` a workflow.
///
/// The function's name becomes a value of its own that is handed to `Registry::with`. Options:
/// `on = EventType` (the event that starts it; its type is the input's), `name = "other-name"`
/// (else the function's name with hyphens), `version = 2`, `retries = 4`, `retry = policy`,
/// `cancel_on = EventType` or `(A, B)`, `on_failure = workflow`, `cron = "30 2 * * *"` with
/// `zone = "Europe/Berlin"`, `missed = Missed::Latest` and `overlap = Overlap::Skip`,
/// `start_within = duration`, `finish_within = duration`.
#[proc_macro_attribute]
pub fn workflow(options: TokenStream, function: TokenStream) -> TokenStream {
    workflow::expand(options.into(), function.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Derives `stepwell::Event` from `#[event("name")]` or `#[event("name", key = "field")]`.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(item: TokenStream) -> TokenStream {
    event::expand(item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
