//! Exported journals of every format: read by this build, and replayed.
//!
//! `fixtures/exports/vN.json` is what a release that wrote format N exported. Like the fixtures of
//! values they are never written anew: somebody keeps such files.

use serde_json::{Value, json};
use stepwell::{Attempt, Begun, Database, Error, Payload, Receipt, Registry, Step, workflow};
use stepwell_core::Seq;
use stepwell_core::envelope::{FORMAT, ValueKind, decode_block};
use stepwell_engine::{Exported, Verdict};

use super::files::{fixtures, open};

fn export(format: u8) -> String {
    let file = format!("tests/fixtures/exports/v{format}.json");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(file);
    let text = std::fs::read_to_string(&path);
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A database that a replay never begins anything in.
#[derive(Clone)]
struct Untouched;

impl Database for Untouched {
    type Transaction = ();
    type Connection = ();

    fn label(&self) -> &'static str {
        "shop"
    }

    async fn begin(&self, _: &Receipt) -> Result<Begun<()>, Error> {
        panic!("a replay began a transaction")
    }

    fn connection<'t>(&self, transaction: &'t mut ()) -> &'t mut () {
        transaction
    }

    async fn commit(&self, (): (), _: &Receipt, _: &str) -> Result<(), Error> {
        panic!("a replay committed a transaction")
    }
}

async fn untouched(_: &Attempt) -> Result<Value, Error> {
    panic!("a replay called a body")
}

#[workflow(name = "fulfill-order", version = 3)]
async fn as_it_was(step: &mut Step, _order: Value) -> Result<Value, Error> {
    step.run("capture-payment", untouched).await?;
    let reserved = step.transaction("reserve-inventory", &Untouched, async |()| Ok(json!({})));
    reserved.await?;
    Ok(json!({"ok": true}))
}

#[workflow(name = "fulfill-order", version = 3)]
async fn renamed(step: &mut Step, _order: Value) -> Result<Value, Error> {
    step.run("capture-payment", untouched).await?;
    step.run("reserve", untouched).await?;
    Ok(json!({"ok": true}))
}

#[test]
fn an_export_of_every_format_is_read_as_the_journal_it_was_made_of() {
    for format in 1..=FORMAT {
        let exported = Exported::from_json(&export(format)).unwrap();
        let mut journal = Vec::new();
        for (_, rows) in fixtures(format)
            .iter()
            .filter(|(name, _)| name == "whole-run")
        {
            for row in rows {
                let opened = open(row).unwrap();
                if opened.kind == ValueKind::JournalBlock {
                    journal.extend(decode_block(format, opened.seq, opened.body).unwrap());
                }
            }
        }
        assert_eq!(journal.first().map(|entry| entry.seq), Some(Seq::FIRST));
        assert_eq!(exported.entries, journal, "v{format}");
        assert_eq!(
            exported.input,
            Payload::from_json("{\"orderId\":\"ord_7\"}")
        );
    }
}

#[test]
fn the_last_format_is_exported_byte_for_byte() {
    let text = export(FORMAT);
    let exported = Exported::from_json(&text).unwrap();
    assert_eq!(exported.to_json().unwrap(), text.trim_end());
}

#[test]
fn an_export_of_every_format_replays_clean_or_says_where_not() {
    for format in 1..=FORMAT {
        let exported = Exported::from_json(&export(format)).unwrap();
        let clean = exported.check(&Registry::new().with(as_it_was));
        assert_eq!(clean, Verdict::Fits { results: 2 }, "v{format}");
        let broken = exported.check(&Registry::new().with(renamed));
        let said = "breaks: recorded transaction reserve-inventory, attempted run reserve";
        assert_eq!(broken.to_string(), said, "v{format}");
    }
}
