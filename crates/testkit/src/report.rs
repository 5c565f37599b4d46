//! What many passes over a scenario came to: survived, or broken, in words.

use std::fmt;

use crate::pass::Trouble;

/// Every pass came to the same end, and every invariant held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survived {
    /// Writes of the engine when nothing goes wrong.
    pub writes: u64,
    /// Passes made, the calm one included.
    pub passes: u64,
}

impl fmt::Display for Survived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} writes, {} passes survived", self.writes, self.passes)
    }
}

/// A pass that broke: which, what, and the journals as they ended. Its `Debug` is the same text, so
/// that `unwrap` shows it.
#[derive(Clone)]
pub struct Broken(Box<Told>);

#[derive(Clone)]
struct Told {
    /// Which pass, in words.
    pass: String,
    /// What was special about it, a line each.
    about: Vec<String>,
    trouble: Trouble,
}

impl Broken {
    pub(crate) fn new(pass: impl Into<String>, about: Vec<String>, trouble: Trouble) -> Self {
        let pass = pass.into();
        Self(Box::new(Told {
            pass,
            about,
            trouble,
        }))
    }

    /// Which pass it was: `write 4 of 9, with a crash after it …`, `seed 17`.
    #[must_use]
    pub fn pass(&self) -> &str {
        &self.0.pass
    }

    /// What broke: an invariant with what it says, or how the end differs from the calm one.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.trouble.what
    }

    /// The journals of that pass, in words.
    #[must_use]
    pub fn journals(&self) -> &str {
        &self.0.trouble.journals
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0.pass)?;
        for line in &self.0.about {
            writeln!(f, "{line}")?;
        }
        writeln!(f, "broken: {}", self.what())?;
        f.write_str(self.journals())
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Broken {}
