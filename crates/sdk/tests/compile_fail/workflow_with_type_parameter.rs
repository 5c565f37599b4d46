//! A workflow with a type parameter: a journal could not say which one it was.

use stepwell::workflow;

#[workflow]
async fn fulfill_order<T>(_step: &mut stepwell::Step, order: T) -> Result<T, stepwell::Error> {
    Ok(order)
}

fn main() {}
