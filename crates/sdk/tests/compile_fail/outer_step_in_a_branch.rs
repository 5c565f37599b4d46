//! The outer step inside a branch: two branches would write on one line at once.

use stepwell::{Attempt, Error, Step, workflow};

#[workflow]
async fn pay_and_mail(step: &mut Step, order: u64) -> Result<u64, Error> {
    let (paid, mailed) = step
        .join(
            "both",
            (
                async |_: &mut Step| step.run("pay", async |_: &Attempt| Ok(order)).await,
                async |line: &mut Step| line.run("mail", async |_: &Attempt| Ok(order)).await,
            ),
        )
        .await?;
    Ok(paid? + mailed?)
}

fn main() {}
