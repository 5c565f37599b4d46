//! Transaction steps: the journal says of a step what its receipt says.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepwell::{Begun, Database, Error, Receipt, Registry, Step};
use stepwell_core::FailureClass;
use stepwell_core::run::Outcome;
use stepwell_testkit::memory::MemoryStore;
use tokio::time::advance;

use super::world::{Calls, engine, finish, paused, shop, told};

/// The time limit of the steps here.
const LIMIT: Duration = Duration::from_secs(10);

/// How the bank answers a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It keeps it and says so, after nearly the limit.
    Slow,
    /// It keeps it and says nothing in time.
    KeptLate,
    /// It keeps it and the answer is an error.
    KeptUnheard,
    /// It does not keep it and says nothing.
    LostLate,
    /// It does not keep it and says so.
    Refused,
}

impl Answer {
    fn keeps(self) -> bool {
        match self {
            Self::Slow | Self::KeptLate | Self::KeptUnheard => true,
            Self::LostLate | Self::Refused => false,
        }
    }
}

/// A database of receipts alone.
#[derive(Debug, Clone)]
struct Bank {
    receipts: Arc<Mutex<BTreeMap<String, String>>>,
    answer: Answer,
}

impl Bank {
    fn that_answers(answer: Answer) -> Self {
        let receipts = Arc::default();
        Self { receipts, answer }
    }

    fn receipts(&self) -> usize {
        self.receipts.lock().unwrap().len()
    }
}

impl Database for Bank {
    type Transaction = ();
    type Connection = ();

    fn label(&self) -> &'static str {
        "bank"
    }

    async fn begin(&self, receipt: &Receipt) -> Result<Begun<()>, Error> {
        let found = self.receipts.lock().unwrap().get(&receipt.step).cloned();
        Ok(found.map_or(Begun::Fresh(()), Begun::Already))
    }

    fn connection<'t>(&self, transaction: &'t mut ()) -> &'t mut () {
        transaction
    }

    async fn commit(&self, (): (), receipt: &Receipt, output: &str) -> Result<(), Error> {
        if self.answer.keeps() {
            let (step, output) = (receipt.step.clone(), output.to_owned());
            self.receipts.lock().unwrap().insert(step, output);
        }
        match self.answer {
            Answer::Slow => {
                advance(LIMIT.mul_f64(0.9)).await;
                Ok(())
            }
            Answer::KeptLate | Answer::LostLate => pending().await,
            Answer::KeptUnheard | Answer::Refused => Err(Error::retryable("connection lost")),
        }
    }
}

/// One transaction whose body takes nearly the limit, with one attempt.
fn one_attempt(bank: &Bank, calls: &Calls) -> Registry {
    let (bank, calls) = (bank.clone(), calls.clone());
    shop(async move |step: &mut Step| {
        let body = async |(): &mut ()| {
            advance(LIMIT.mul_f64(0.9)).await;
            Ok(calls.note("pay"))
        };
        let pay = step.transaction("pay", &bank, body);
        Ok(pay.retries(0).timeout(LIMIT).await?)
    })
}

#[test]
fn a_commit_that_was_kept_is_recorded_as_done_however_it_is_answered() {
    for answer in [Answer::Slow, Answer::KeptLate, Answer::KeptUnheard] {
        paused(async move {
            let (bank, calls) = (Bank::that_answers(answer), Calls::default());
            let engine = engine(MemoryStore::new(), one_attempt(&bank, &calls)).await;
            let (run, outcome) = finish(&engine).await;
            let paid = Outcome::Completed(stepwell::Payload::from_json("1"));
            assert_eq!(outcome, paid, "{answer:?}");
            let expected = ["started", "pay ok 1", "completed"];
            assert_eq!(told(&engine, run).await, expected, "{answer:?}");
            assert_eq!((bank.receipts(), calls.of("pay")), (1, 1), "{answer:?}");
        });
    }
}

#[test]
fn a_commit_that_was_not_kept_is_recorded_as_failed_with_what_was_answered() {
    for (answer, class) in [
        (Answer::LostLate, FailureClass::TimedOut),
        (Answer::Refused, FailureClass::Retryable),
    ] {
        paused(async move {
            let (bank, calls) = (Bank::that_answers(answer), Calls::default());
            let engine = engine(MemoryStore::new(), one_attempt(&bank, &calls)).await;
            let (run, outcome) = finish(&engine).await;
            let Outcome::Failed(failure) = outcome else {
                panic!("{answer:?}: {outcome:?}");
            };
            assert_eq!(failure.class, class, "{answer:?}");
            let expected = ["started", "pay failed 1 for good", "failed"];
            assert_eq!(told(&engine, run).await, expected, "{answer:?}");
            assert_eq!(bank.receipts(), 0, "{answer:?}");
        });
    }
}

#[test]
fn a_body_over_its_limit_is_timed_out_and_nothing_is_committed() {
    paused(async {
        let bank = Bank::that_answers(Answer::Slow);
        let banked = bank.clone();
        let code = async move |step: &mut Step| {
            let pay = step.transaction("pay", &banked, async |(): &mut ()| {
                pending::<()>().await;
                Ok(1_u32)
            });
            let spent = pay.retries(0).timeout(LIMIT).await.unwrap_err();
            assert_eq!(
                spent.message(),
                "attempt 1 took longer than its limit of 10s"
            );
            Ok(u32::from(spent.is_timeout()))
        };
        let engine = engine(MemoryStore::new(), shop(code)).await;
        let (run, outcome) = finish(&engine).await;
        let caught = Outcome::Completed(stepwell::Payload::from_json("1"));
        assert_eq!(outcome, caught);
        let expected = ["started", "pay failed 1 for good", "completed"];
        assert_eq!(told(&engine, run).await, expected);
        assert_eq!(bank.receipts(), 0);
    });
}
