//! Which runs a command means: ids, beginnings of ids, or `-` for ids on standard input.

use std::io::BufRead as _;

use stepwell_core::RunId;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::reach::Reach;

/// Length of an id.
const ID_CHARS: usize = 26;

/// The largest digit of an id.
const LAST_DIGIT: char = 'Z';

/// The runs `given` stands for, in order.
pub(crate) async fn resolve(reach: &Reach, given: &[String]) -> Result<Vec<RunId>, Failure> {
    let mut runs = Vec::new();
    for word in given {
        if word == "-" {
            for line in std::io::stdin().lock().lines() {
                let line = line.map_err(|error| {
                    let sentence = format!("standard input cannot be read: {error}");
                    Failure::said(Exit::Io, "failed", sentence)
                })?;
                if !line.trim().is_empty() {
                    runs.push(one(reach, line.trim()).await?);
                }
            }
        } else {
            runs.push(one(reach, word).await?);
        }
    }
    Ok(runs)
}

/// The run `given` is the id of, or the beginning of the id of.
pub(crate) async fn one(reach: &Reach, given: &str) -> Result<RunId, Failure> {
    let start = given.to_ascii_uppercase();
    if let Some(run) = whole(&start) {
        return Ok(run);
    }
    let past = above(&start).ok_or_else(|| {
        let sentence = format!(
            "{given:?} is no run id: give {ID_CHARS} characters of Crockford base 32, or the first few"
        );
        Failure::said(Exit::Usage, "bad-run-id", sentence)
    })?;
    // Ids sort as text does, so those that begin alike stand together below `past`.
    let page = reach.runs_below(past, 2).await?;
    let mut alike = page.into_iter().filter(|id| id.starts_with(&start));
    match (alike.next(), alike.next()) {
        (Some(id), None) => id.parse().map_err(|_| {
            Failure::said(
                Exit::Failed,
                "failed",
                format_args!("engine answered {id:?} as a run id"),
            )
        }),
        (None, _) => {
            let sentence =
                format!("no run id begins with {given}: list them with `stepwell runs list`");
            Err(Failure::said(Exit::NotFound, "no-such-run", sentence))
        }
        (Some(a), Some(b)) => {
            let sentence =
                format!("several run ids begin with {given}, such as {a} and {b}: give more of it");
            Err(Failure::said(Exit::Usage, "ambiguous-run-id", sentence))
        }
    }
}

/// The id these digits spell, and no other: digits past the largest id would be cut off.
fn whole(digits: &str) -> Option<RunId> {
    let run: RunId = digits.parse().ok()?;
    (run.to_string() == digits).then_some(run)
}

/// An id above all that begin with `start`.
fn above(start: &str) -> Option<RunId> {
    if start.is_empty() || start.len() > ID_CHARS {
        return None;
    }
    let digits: String = start
        .chars()
        .chain(std::iter::repeat(LAST_DIGIT))
        .take(ID_CHARS)
        .collect();
    let last = whole(&digits)?;
    let next = u128::from_be_bytes(last.to_bytes()).saturating_add(1);
    Some(RunId::from_bytes(next.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_that_begins_alike_is_below_the_bound() {
        let bound = above("01JD").unwrap();
        let inside: RunId = "01JDZZZZZZZZZZZZZZZZZZZZZZ".parse().unwrap();
        let outside: RunId = "01JE0000000000000000000000".parse().unwrap();
        assert!(inside < bound && bound <= outside);
    }

    #[test]
    fn what_cannot_begin_an_id_has_no_bound() {
        for wrong in ["", "!", "01JD 5", "ZZ", "01JDZZZZZZZZZZZZZZZZZZZZZZ0"] {
            assert_eq!(above(wrong), None, "{wrong:?}");
        }
    }
}
