//! A transaction step that is named and never awaited.
#![deny(unused_must_use)]

use stepwell::{Database, Error, Step};

async fn forget_to_reserve<D: Database>(step: &mut Step, shop: &D) -> Result<(), Error> {
    step.transaction("reserve", shop, async |_: &mut D::Connection| Ok(()));
    Ok(())
}

fn main() {}
