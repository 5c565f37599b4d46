//! New code over exported journals.

use std::time::Duration;

use stepwell::{Attempt, Error, Registry, Step, workflow};
use stepwell_testkit as testkit;

#[workflow(name = "ship")]
async fn ship(step: &mut Step, order: String) -> Result<String, Error> {
    step.run("pack", async |_: &Attempt| Ok(())).await?;
    step.sleep("rest", Duration::from_secs(86_400)).await?;
    Ok(step
        .run("send", async |_: &Attempt| Ok(order.clone()))
        .await?)
}

#[workflow(name = "ship")]
async fn renamed(step: &mut Step, order: String) -> Result<String, Error> {
    step.run("wrap", async |_: &Attempt| {
        Err::<(), _>(Error::terminal("not in a replay"))
    })
    .await?;
    Ok(order)
}

/// Two journals: of a run that ended, and of one asleep.
fn journals() -> String {
    let exported = std::cell::RefCell::new(String::new());
    testkit::test(Registry::new().with(ship), async |world| {
        let ended = world.start(&ship, &"one".to_owned()).await?;
        world.output(ended).await?;
        let open = world.start(&ship, &"two".to_owned()).await?;
        world.advance(Duration::from_secs(60)).await;
        for run in [ended, open] {
            let line = world.export(run).await?;
            exported.borrow_mut().push_str(&format!("{line}\n"));
        }
        Ok(())
    });
    exported.into_inner()
}

#[test]
fn code_that_fits_every_journal_replays_clean() {
    let fits = testkit::replay(&Registry::new().with(ship), &journals());
    assert_eq!(fits, Ok(2));
}

#[test]
fn a_mismatch_names_the_run_and_both_sides_and_calls_no_body() {
    let mismatches = testkit::replay(&Registry::new().with(renamed), &journals()).unwrap_err();
    let text = mismatches.to_string();
    assert!(text.starts_with("2 of 2 journals do not replay:"), "{text}");
    let said = "of ship breaks: recorded run pack, attempted run wrap";
    assert_eq!(text.matches(said).count(), 2, "{text}");
}

#[test]
fn a_line_that_is_no_journal_is_named_by_its_number() {
    let text = format!("{}nonsense\n", journals());
    let mismatches = testkit::replay(&Registry::new().with(ship), &text).unwrap_err();
    let said = mismatches.to_string();
    assert!(said.contains("1 of 3 journals"), "{said}");
    assert!(
        said.contains("line 3: this is no exported journal"),
        "{said}"
    );
}
