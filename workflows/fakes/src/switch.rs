//! The ways a service can be told to misbehave.

use serde::{Deserialize, Serialize};

use crate::calls::{Call, Service};

/// What a switched service does with a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "mode",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Mode {
    /// Answers with an error in the service's own shape, without acting.
    Fail {
        /// The HTTP status.
        status: u16,
        /// Seconds to put into a `Retry-After` header; no header when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u64>,
    },
    /// Neither acts nor answers until the switch is cleared.
    Hang,
    /// Acts, then closes the connection without a reply.
    DropReply,
    /// Waits, then acts and answers.
    Slow {
        /// The wait in milliseconds.
        delay_ms: u64,
    },
    /// Works as it should: clears every switch of the service and releases what hangs.
    Work,
}

/// One instruction to a service: a mode, for some of its operations, for some of its next calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Switch {
    /// The service it is for.
    pub service: Service,
    /// What the service is to do.
    #[serde(flatten)]
    pub mode: Mode,
    /// Only calls of this operation; every operation when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// How many matching calls are affected; all of them until cleared when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Switch {
    /// Every call of every operation, until cleared.
    #[must_use]
    pub fn new(service: Service, mode: Mode) -> Switch {
        Switch {
            service,
            mode,
            operation: None,
            times: None,
        }
    }

    /// Only calls of this operation.
    #[must_use]
    pub fn on(mut self, operation: &str) -> Switch {
        self.operation = Some(operation.to_owned());
        self
    }

    /// Only the next `times` matching calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Switch {
        self.times = Some(times);
        self
    }

    fn matches(&self, call: &Call) -> bool {
        let operation = self.operation.as_deref();
        self.service == call.service && operation.is_none_or(|wanted| wanted == call.operation)
    }
}

/// The switches in force, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Panel {
    switches: Vec<Switch>,
}

impl Panel {
    pub(crate) fn set(&mut self, switch: Switch) {
        if switch.mode == Mode::Work {
            self.switches.retain(|old| old.service != switch.service);
        } else if switch.times != Some(0) {
            self.switches.push(switch);
        }
    }

    /// The mode for this call, counting it against the oldest switch that matches.
    pub(crate) fn take(&mut self, call: &Call) -> Mode {
        let Some(at) = self.switches.iter().position(|switch| switch.matches(call)) else {
            return Mode::Work;
        };
        let mode = self.switches[at].mode.clone();
        if let Some(times) = &mut self.switches[at].times {
            *times -= 1;
            if *times == 0 {
                self.switches.remove(at);
            }
        }
        mode
    }
}
