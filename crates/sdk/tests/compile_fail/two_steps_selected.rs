//! Two steps of one line under `select!`: the winner would not be in the journal.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn pay_either_way(step: &mut Step, order: u64) -> Result<u64, Error> {
    let card = async { step.run("card", async |_: &Attempt| Ok(order)).await };
    let bank = async { step.run("bank", async |_: &Attempt| Ok(order)).await };
    tokio::pin!(card, bank);
    tokio::select! {
        paid = &mut card => Ok(paid?),
        paid = &mut bank => Ok(paid?),
    }
}

fn main() {}
