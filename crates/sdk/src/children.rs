//! Runs started by a run: awaited, detached, or in its own place.

use std::future::{IntoFuture, pending};
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use stepwell_core::ids::StepNameError;
use stepwell_core::run::Subject;
use stepwell_core::{
    Failure, FailureClass, ParentClose, Payload, RunId, StepAddress, StepKind, Timestamp,
    WorkflowName,
};

use crate::client::StartOptions;
use crate::error::{Error, StepError};
use crate::host::ChildAsk;
use crate::step::{Step, usable};
use crate::workflow::TypedWorkflow;

impl Step {
    /// Starts a run of `workflow` and waits for its end; its output, or its error, is the result.
    ///
    /// The child is created in the commit that records this step: it starts once. It has a journal,
    /// retries and limits of its own. When this run is cancelled, or this branch loses a race, the
    /// child is cancelled as well, unless [`Invoke::on_parent_close`] says otherwise.
    pub fn invoke<'a, W: TypedWorkflow>(
        &'a mut self,
        name: &str,
        workflow: W,
        input: &W::Input,
    ) -> Invoke<'a, W> {
        let address = self.claim(name);
        Invoke {
            asked: Asked::new(self, address, &workflow, input, ParentClose::Cancel),
            workflow: PhantomData,
        }
    }

    /// Starts a run of `workflow` and leaves it to itself; its id is the result.
    pub fn start<'a, W: TypedWorkflow>(
        &'a mut self,
        name: &str,
        workflow: W,
        input: &W::Input,
    ) -> Start<'a> {
        let address = self.claim(name);
        Start {
            asked: Asked::new(self, address, &workflow, input, ParentClose::Abandon),
        }
    }

    /// Ends this run and goes on as a new one of the same workflow with `input` and an empty
    /// journal: for what goes round for ever. Never returns; call it on the workflow's own line.
    ///
    /// The new run begins on the highest version of the workflow's code that is registered.
    /// Whoever waits for this run waits for the new one; deadlines and the parent go with it.
    ///
    /// # Errors
    /// When called inside a branch or scope, or with an input that does not serialise.
    pub async fn continue_as_new<I: Serialize, T>(&mut self, input: &I) -> Result<T, Error> {
        if !self.branch().is_empty() {
            return Err(Error::terminal(format_args!(
                "continue_as_new is called in branch {}: call it on the workflow's own line",
                self.branch()
            )));
        }
        let input = serde_json::to_string(input).map_err(Error::terminal)?;
        let passed = self.passed();
        let gone = self.host().go_on(Payload::from_json(input), passed).await;
        gone.map_err(Error::from_failure)?;
        pending().await
    }
}

/// A run that was asked for and not yet started.
struct Asked<'a> {
    step: &'a mut Step,
    address: Result<StepAddress, StepNameError>,
    workflow: &'static str,
    version: u32,
    input: Result<String, String>,
    close: ParentClose,
    options: StartOptions,
}

impl<'a> Asked<'a> {
    fn new<W: TypedWorkflow>(
        step: &'a mut Step,
        address: Result<StepAddress, StepNameError>,
        workflow: &W,
        input: &W::Input,
        close: ParentClose,
    ) -> Self {
        Self {
            step,
            address,
            workflow: workflow.name(),
            version: workflow.version(),
            input: serde_json::to_string(input).map_err(|error| error.to_string()),
            close,
            options: StartOptions::default(),
        }
    }

    async fn outcome(
        self,
        kind: StepKind,
    ) -> Result<(&'a mut Step, StepAddress, Payload), StepError> {
        let Self {
            step,
            address,
            workflow,
            version,
            input,
            close,
            options,
        } = self;
        let address = usable(address)?;
        let subject = Subject::Workflow(WorkflowName::new(workflow));
        let output = step
            .act_once(&address, kind, Some(subject), async |step: &Step| {
                let refused = |why| Failure::new(FailureClass::Terminal, why);
                let input = input.clone().map_err(refused)?;
                let ask = ChildAsk {
                    step: address.clone(),
                    workflow,
                    version,
                    input: Payload::from_json(input),
                    detached: kind == StepKind::Start,
                    close,
                    options: options.clone(),
                };
                step.host().start_child(ask).await
            })
            .await?;
        Ok((step, address, output))
    }
}

/// A child that was asked for and not yet started.
#[must_use = "a child is not started until it is awaited"]
pub struct Invoke<'a, W> {
    asked: Asked<'a>,
    workflow: PhantomData<fn() -> W>,
}

impl<W> std::fmt::Debug for Invoke<'_, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Invoke {} at {:?}",
            self.asked.workflow, self.asked.address
        )
    }
}

impl<W> Invoke<'_, W> {
    /// What becomes of the child when this run ends first. Default: it is cancelled.
    pub fn on_parent_close(mut self, close: ParentClose) -> Self {
        self.asked.close = close;
        self
    }

    /// Cancels the child when it has not ended within `limit`.
    pub fn finish_within(mut self, limit: Duration) -> Self {
        self.asked.options.finish_within = Some(limit);
        self
    }
}

impl<'a, W: TypedWorkflow> IntoFuture for Invoke<'a, W> {
    type Output = Result<W::Output, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let kind = StepKind::Invoke;
            let (step, address, output) = self.asked.outcome(kind).await?;
            Ok(step.decode(&address, kind, &output).await)
        })
    }
}

/// A detached run that was asked for and not yet started.
#[must_use = "a run is not started until it is awaited"]
pub struct Start<'a> {
    asked: Asked<'a>,
}

impl std::fmt::Debug for Start<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Start {} at {:?}",
            self.asked.workflow, self.asked.address
        )
    }
}

impl Start<'_> {
    /// What becomes of the started run when this one ends. Default: it goes on.
    pub fn on_parent_close(mut self, close: ParentClose) -> Self {
        self.asked.close = close;
        self
    }

    /// Lets the started run's code begin no earlier than `at`.
    pub fn at(mut self, at: Timestamp) -> Self {
        self.asked.options.at = Some(at);
        self
    }

    /// Lets the started run's code begin only after `delay`.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.asked.options.delay = Some(delay);
        self
    }

    /// Cancels the started run when it has not ended within `limit`.
    pub fn finish_within(mut self, limit: Duration) -> Self {
        self.asked.options.finish_within = Some(limit);
        self
    }
}

impl<'a> IntoFuture for Start<'a> {
    type Output = Result<RunId, StepError>;
    type IntoFuture = LocalBoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let kind = StepKind::Start;
            let (step, address, output) = self.asked.outcome(kind).await?;
            let text: String = step.decode(&address, kind, &output).await;
            text.parse()
                .map_err(|error: stepwell_core::ids::ParseRunIdError| {
                    let failure = Failure::new(FailureClass::Terminal, error.to_string());
                    StepError::new(address, 1, failure)
                })
        })
    }
}
