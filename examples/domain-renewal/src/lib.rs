//! Renewing a domain name: a small workflow and its tests, to be copied and changed.
//!
//! A domain was registered for a year. Eleven months later its owner is asked by mail whether to
//! renew it; once the owner has said yes and the registry has cleared the name of disputes, in
//! whichever order, the owner's card is charged and the domain extended. An owner who says nothing
//! for a month lets it lapse.
//!
//! - [`renewal`] is the workflow with the events it starts by and waits for.
//! - [`services`] is what it reaches outside: traits, so that tests put fakes in their place.
//! - `tests/renewal` lets the year pass in no time, makes services fail, kills the engine at every
//!   write, and lets events come in every order.
//!
//! In a package of your own the dependencies are `stepwell` and `serde`, with `stepwell-testkit` for
//! the tests, and a binary is `stepwell_cli::run(domain_renewal::registry(services))`.

pub mod renewal;
pub mod services;

use stepwell::Registry;

use services::Services;

/// The workflow with what it depends on.
#[must_use]
pub fn registry(services: Services) -> Registry {
    Registry::new()
        .with(renewal::renew_domain)
        .provide(services)
}
