//! The points one order passes, and during what.

use std::collections::BTreeMap;
use std::fmt;

/// One pass of a named point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    /// The point.
    pub(super) name: String,
    /// Which pass since the process began, from 1.
    pub(super) pass: usize,
    /// The step under way, or the part of the engine's life.
    during: String,
}

impl fmt::Display for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({})", self.name, self.pass, self.during)
    }
}

/// Every pass of one order, in order.
pub(super) struct Hits(Vec<Hit>);

impl Hits {
    /// From the noted lines: the first `opening` were passed before any order came, those behind
    /// `working` after the order was fulfilled.
    pub(super) fn read(lines: &[String], opening: usize, working: usize) -> Self {
        let mut passes: BTreeMap<&str, usize> = BTreeMap::new();
        let mut step = "intake".to_owned();
        let hits = lines.iter().enumerate().map(|(at, name)| {
            let pass = passes.entry(name).or_default();
            *pass += 1;
            let (point, of_step) = name.split_once('@').unwrap_or((name, ""));
            if point == "body-start" {
                of_step.clone_into(&mut step);
            }
            let during = match at {
                _ if at < opening => "opening".to_owned(),
                _ if at >= working => "closing".to_owned(),
                _ => step.clone(),
            };
            Hit {
                name: name.clone(),
                pass: *pass,
                during,
            }
        });
        Self(hits.collect())
    }

    pub(super) fn all(&self) -> &[Hit] {
        &self.0
    }

    /// The points by what was under way, for people.
    pub(super) fn table(&self) -> String {
        let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
        for hit in &self.0 {
            if rows.last().is_none_or(|(during, _)| *during != hit.during) {
                rows.push((&hit.during, Vec::new()));
            }
            if let Some((_, points)) = rows.last_mut() {
                points.push(format!("{}:{}", hit.name, hit.pass));
            }
        }
        let mut table = format!("{} points passed by one order:\n", self.0.len());
        for (during, points) in rows {
            table.push_str(&format!("  {during:<18} {}\n", points.join(" ")));
        }
        table
    }
}
