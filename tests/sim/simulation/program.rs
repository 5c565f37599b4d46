//! The programs that runs follow: a small closed grammar, drawn from a seed.

use super::dice::Dice;

/// One program: what a run of it does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) ops: Vec<Op>,
}

/// Programs by their number; a program starts only those behind it.
pub(super) type Programs = Vec<Program>;

/// One call on a step, and what becomes of its error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) call: Call,
    /// Whether the code goes on after an error of the call.
    pub(super) caught: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// A body; in a scope, with what undoes it.
    Act(Body, Option<Body>),
    Now,
    Random,
    Nap {
        ms: u64,
    },
    /// A wait for an event with this key, of at least this amount when the code judges.
    Hear {
        key: u64,
        at_least: Option<u64>,
        limit_ms: Option<u64>,
    },
    Signal {
        limit_ms: Option<u64>,
    },
    /// A child and its end.
    Invoke {
        program: usize,
        abandon: bool,
    },
    /// A run left to itself.
    Start {
        program: usize,
        close: bool,
    },
    /// An event that may be waited for.
    Tell {
        key: u64,
        amount: u64,
    },
    /// An event that starts a run.
    Go {
        program: usize,
    },
    /// A signal to the run that has this key, if there is one.
    Poke {
        key: u64,
    },
    Join(Vec<Vec<Op>>),
    Map {
        items: u64,
        limit: usize,
        each: Vec<Op>,
    },
    Race(Vec<Vec<Op>>),
    Scope {
        body: Vec<Op>,
        /// Whether the body fails by itself once it is through.
        fails: bool,
    },
    /// The run goes on as another; at the end of a program alone.
    Continue {
        program: usize,
    },
    /// The code fails for good.
    Fail,
}

/// What a body does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Body {
    /// What it returns when it succeeds.
    pub(super) value: u64,
    pub(super) takes_ms: u64,
    pub(super) way: Way,
    pub(super) retries: u32,
}

/// How a body's attempts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Succeeds,
    /// So many attempts fail, no more than its retries.
    FailsFirst(u32),
    /// So many attempts panic, no more than its retries.
    PanicsFirst(u32),
    /// The first attempt takes longer than its limit.
    HangsFirst,
    /// Every attempt fails.
    FailsAlways,
    /// The first attempt fails for good.
    Terminal,
}

impl Body {
    /// Whether the step succeeds in the end, whatever crashes cut its attempts short.
    pub(super) fn succeeds(&self) -> bool {
        match self.way {
            Way::Succeeds | Way::FailsFirst(_) | Way::PanicsFirst(_) | Way::HangsFirst => true,
            Way::FailsAlways | Way::Terminal => false,
        }
    }
}

/// Event keys and start keys there are.
pub(super) const KEYS: u64 = 3;

/// Signals have one name.
pub(super) const SIGNAL: &str = "poke";

/// The name of the step at this place of a scope's body: one that can be undone has its own, so
/// that its undo can be told from others.
pub(super) fn undoable_name(at: usize) -> String {
    format!("act-{at}")
}

/// How deep forks and scopes nest.
const DEPTH: u32 = 2;

/// Draws the programs of one seed.
pub(super) fn draw(dice: &mut Dice) -> Programs {
    let count = usize::try_from(dice.within(2..=4)).unwrap();
    (0..count)
        .map(|number| {
            let mut author = Author {
                dice: dice.apart(),
                later: (number + 1..count).collect(),
            };
            let mut ops = author.block(DEPTH, 5, false);
            ops.extend(author.continued());
            Program { ops }
        })
        .collect()
}

struct Author {
    dice: Dice,
    /// Programs this one may start.
    later: Vec<usize>,
}

impl Author {
    fn block(&mut self, depth: u32, ops_max: u64, in_scope: bool) -> Vec<Op> {
        let count = self.dice.within(1..=ops_max);
        (0..count)
            .map(|_| Op {
                call: self.call(depth, in_scope),
                caught: self.dice.chance(70),
            })
            .collect()
    }

    fn call(&mut self, depth: u32, in_scope: bool) -> Call {
        if in_scope && self.dice.chance(60) {
            let undo = self.dice.chance(80).then(|| self.undo());
            return Call::Act(self.body(), undo);
        }
        if depth > 0 && self.dice.chance(30) {
            return self.forked(depth - 1);
        }
        if !self.later.is_empty() && self.dice.chance(18) {
            return self.starting();
        }
        match self.dice.below(100) {
            0..35 => Call::Act(self.body(), None),
            35..38 => Call::Now,
            38..43 => Call::Random,
            43..58 => Call::Nap { ms: self.nap() },
            58..76 => Call::Hear {
                key: self.dice.below(KEYS),
                at_least: self.dice.chance(30).then_some(50),
                limit_ms: self.dice.chance(55).then(|| self.nap()),
            },
            76..84 => Call::Signal {
                limit_ms: self.dice.chance(50).then(|| self.nap()),
            },
            84..92 => Call::Tell {
                key: self.dice.below(KEYS),
                amount: self.dice.below(100),
            },
            92..97 => Call::Poke {
                key: self.dice.below(KEYS),
            },
            _ => Call::Fail,
        }
    }

    fn forked(&mut self, depth: u32) -> Call {
        let branches = self.dice.within(2..=3);
        let several = |author: &mut Self| -> Vec<Vec<Op>> {
            (0..branches)
                .map(|_| author.block(depth, 3, false))
                .collect()
        };
        match self.dice.below(10) {
            0..3 => Call::Join(several(self)),
            3..5 => Call::Map {
                items: self.dice.within(1..=4),
                limit: usize::try_from(self.dice.within(1..=3)).unwrap(),
                each: self.block(depth, 2, false),
            },
            5..7 => Call::Race(several(self)),
            _ => Call::Scope {
                body: self.block(depth, 4, true),
                fails: self.dice.chance(50),
            },
        }
    }

    fn starting(&mut self) -> Call {
        let program = self.dice.pick(&self.later);
        match self.dice.below(10) {
            0..5 => Call::Invoke {
                program,
                abandon: self.dice.chance(30),
            },
            5..8 => Call::Start {
                program,
                close: self.dice.chance(50),
            },
            _ => Call::Go { program },
        }
    }

    fn continued(&mut self) -> Option<Op> {
        let goes_on = !self.later.is_empty() && self.dice.chance(15);
        goes_on.then(|| Op {
            call: Call::Continue {
                program: self.dice.pick(&self.later),
            },
            caught: false,
        })
    }

    /// From a millisecond to days: most within the time a seed's history takes.
    fn nap(&mut self) -> u64 {
        match self.dice.below(10) {
            0..3 => self.dice.within(1..=900),
            3..8 => self.dice.within(1_000..=60_000),
            8 => self.dice.within(60_000..=3_600_000),
            _ => self.dice.within(3_600_000..=200_000_000),
        }
    }

    fn body(&mut self) -> Body {
        let retries = u32::try_from(self.dice.within(1..=3)).unwrap();
        let some = |dice: &mut Dice| u32::try_from(dice.within(1..=u64::from(retries))).unwrap();
        let way = match self.dice.below(20) {
            0..11 => Way::Succeeds,
            11..14 => Way::FailsFirst(some(&mut self.dice)),
            14 => Way::PanicsFirst(some(&mut self.dice)),
            15 => Way::HangsFirst,
            16..18 => Way::FailsAlways,
            _ => Way::Terminal,
        };
        let takes_ms = match way {
            // Its later attempts keep to its limit.
            Way::HangsFirst => self.dice.below(1_000),
            _ => self.takes(),
        };
        Body {
            value: self.dice.below(1_000),
            takes_ms,
            way,
            retries,
        }
    }

    /// An undo succeeds in the end.
    fn undo(&mut self) -> Body {
        let retries = u32::try_from(self.dice.within(1..=3)).unwrap();
        let way = if self.dice.chance(70) {
            Way::Succeeds
        } else {
            Way::FailsFirst(retries)
        };
        Body {
            value: 0,
            takes_ms: self.takes(),
            way,
            retries,
        }
    }

    fn takes(&mut self) -> u64 {
        match self.dice.below(10) {
            0..5 => 0,
            5..8 => self.dice.within(1..=200),
            _ => self.dice.within(200..=5_000),
        }
    }
}
