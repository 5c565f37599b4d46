//! The engine's named points, handed to the store's kill points in test builds.

use stepwell_engine::Probe;

/// The probe of this build: nothing at all without the feature `kill-points`.
pub(crate) fn probe() -> Probe {
    #[cfg(feature = "kill-points")]
    return armed;
    #[cfg(not(feature = "kill-points"))]
    return |_, _| {};
}

/// Points inside a step carry its name, so that a test can kill at one step's.
#[cfg(feature = "kill-points")]
fn armed(point: &'static str, step: Option<&str>) {
    match step {
        None => stepwell_store_sled::kill::point(point),
        // Leaked: a build that is made to be killed has no long life.
        Some(step) => stepwell_store_sled::kill::point(String::leak(format!("{point}@{step}"))),
    }
}
