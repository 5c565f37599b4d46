//! Where the journals of a check come from: a running engine, a data directory, or files.

use std::path::Path;

use futures_util::{StreamExt as _, stream};
use stepwell::Registry;
use stepwell_engine::{Exported, OpenRuns, Verdict};
use stepwell_server::wire::{RunJson, RunListJson};

use super::findings::Found;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::reach::{Offline, Reach, Wanted};
use crate::serving::blocking;

/// Runs asked for at a time.
const PAGE: usize = 500;

/// Journals asked for at a time.
const JOURNALS: usize = 8;

/// The open runs of a running engine, whose journals are asked for one by one.
pub(super) async fn engine(
    reach: &Reach,
    registry: &Registry,
    note: &mut impl FnMut(Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut wanted = Wanted {
        limit: PAGE,
        ..Wanted::default()
    };
    loop {
        let page = reach.runs(&wanted).await?;
        let open = page.data.into_iter().filter(|run| !run.status.ended());
        let mut found = stream::iter(open)
            .map(|run| found(reach, registry, run))
            .buffered(JOURNALS);
        while let Some(found) = found.next().await {
            if let Some(found) = found? {
                note(found)?;
            }
        }
        wanted.cursor = page.cursor.as_deref().and_then(RunListJson::parse_cursor);
        if wanted.cursor.is_none() {
            return Ok(());
        }
    }
}

/// What a replay of one run comes to; nothing when the run has ended meanwhile.
async fn found(reach: &Reach, registry: &Registry, run: RunJson) -> Result<Option<Found>, Failure> {
    let unreadable = |why: String| Some(Verdict::Unreadable { why });
    let line = match run.id.parse() {
        Ok(id) => reach.export(id).await,
        Err(_) => return Ok(None),
    };
    let verdict = match line {
        Ok(line) => replayed(registry.clone(), line).await?,
        // Found on this run alone: the others can still be told of.
        Err(failure) if matches!(failure.code(), "damaged" | "input-gone") => {
            unreadable(failure.to_string())
        }
        Err(failure) => return Err(failure),
    };
    Ok(verdict.map(|verdict| {
        let RunJson {
            id,
            workflow,
            version,
            status,
            ..
        } = run;
        Found::of(id, workflow, version, Some(status), &verdict)
    }))
}

async fn replayed(registry: Registry, line: String) -> Result<Option<Verdict>, Failure> {
    blocking(move || match Exported::from_json(&line) {
        Ok(exported) if exported.has_ended() => None,
        Ok(exported) => Some(exported.check(&registry)),
        Err(wrong) => Some(Verdict::Unreadable { why: wrong.why }),
    })
    .await
}

/// The open runs of a data directory that no engine has open.
pub(super) async fn store(
    offline: &Offline,
    registry: &Registry,
    note: &mut impl FnMut(Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut open = OpenRuns::new(offline.operator().clone(), registry.clone());
    while let Some(page) = open.next_page().await? {
        for checked in page {
            let head = checked.head;
            let (run, workflow) = (head.run.to_string(), head.workflow.to_string());
            let (version, status) = (head.version, Some(head.status));
            note(Found::of(run, workflow, version, status, &checked.verdict))?;
        }
    }
    Ok(())
}

/// The journals in a file, one a line, of runs that have ended as well.
pub(super) async fn file(
    file: &Path,
    registry: &Registry,
    note: &mut impl FnMut(Found) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let name = file.display().to_string();
    let path = file.to_owned();
    let read = move || {
        if path.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        }
    };
    let text = blocking(read).await?.map_err(|error| {
        let sentence = format!("{name} cannot be read: {error}");
        Failure::said(Exit::Io, "failed", sentence)
    })?;
    let lines = text.lines().zip(1..);
    for (line, number) in lines.filter(|(line, _)| !line.trim().is_empty()) {
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::usage(format_args!("{name}, line {number}: {why}"))
        };
        let exported = Exported::from_json(line).map_err(|error| wrong(&error))?;
        let started = exported.started().cloned();
        let started = started.ok_or_else(|| wrong(&"it holds no start of a run"))?;
        let (run, workflow) = (exported.run.to_string(), started.workflow.to_string());
        let registry = registry.clone();
        let verdict = blocking(move || exported.check(&registry)).await?;
        note(Found::of(run, workflow, started.version, None, &verdict))?;
    }
    Ok(())
}
