//! Assertions over a journal, and what they say when they fail.

use stepwell::Registry;
use stepwell_core::run::RunStatus;
use stepwell_testkit as testkit;
use stepwell_testkit::Journal;

use super::clocks::said;
use super::shop::{Till, buy};

fn bought() -> Journal {
    let registry = Registry::new().with(buy).provide(Till::new());
    testkit::test(registry, async |world| {
        let run = world.start(&buy, &500).await?;
        world.output(run).await?;
        Ok(world.journal(run).await?)
    })
}

#[test]
fn a_journal_answers_for_steps_results_attempts_and_status() {
    let journal = bought();
    journal.assert_steps(&["charge", "deliver"]);
    journal.assert_result("charge", &500);
    journal.assert_attempts("deliver", 1);
    journal.assert_attempts("refund", 0);
    journal.assert_status(RunStatus::Completed);
    assert_eq!(journal.result::<bool>("deliver"), Some(true));
    assert_eq!(journal.result::<bool>("refund"), None);
    assert!(journal.waits().is_empty());
    assert!(journal.failures("charge").is_empty());
}

#[test]
fn a_failed_assertion_says_what_was_expected_and_tells_the_journal() {
    let journal = bought();
    let steps = said(|| journal.assert_steps(&["charge", "refund"]));
    let expected = "expected the steps [charge, refund], found [charge, deliver]\n";
    assert!(steps.starts_with(expected), "{steps}");
    assert!(
        steps.contains("step charge succeeds with attempt 1: 500"),
        "{steps}"
    );
    assert!(
        steps.contains("it began at 2026-01-01T00:00:00Z"),
        "{steps}"
    );
    let result = said(|| journal.assert_result("charge", &5));
    let expected = "expected the result 5 of step charge, found 500\n";
    assert!(result.starts_with(expected), "{result}");
    let attempts = said(|| journal.assert_attempts("charge", 2));
    let expected = "expected 2 attempt(s) at step charge, found 1\n";
    assert!(attempts.starts_with(expected), "{attempts}");
    let status = said(|| journal.assert_status(RunStatus::Failed));
    let expected = "expected the run to be failed, it is completed\n";
    assert!(status.starts_with(expected), "{status}");
    let waits = said(|| journal.assert_waits_in("charge"));
    let expected = "expected a wait in step charge, the run waits in []\n";
    assert!(waits.starts_with(expected), "{waits}");
}
