//! What a run sends: events and signals, recorded in the same commit as the step that sends them.

use serde::Serialize;
use stepwell_core::run::{Command, Reply, StartStep, Subject};
use stepwell_core::{EventId, Failure, FailureClass, Payload, StepAddress, StepKind};

use std::future::pending;

use crate::client::{OutgoingEvent, RunRef};
use crate::error::StepError;
use crate::event::Event;
use crate::step::{Step, result_of, usable};

impl Step {
    /// Sends one event; its id, derived from run and step, is the result.
    ///
    /// It is sent once: in the same commit that records this step, together with the runs it
    /// starts. Runs that wait for it, this one included, get it.
    ///
    /// # Errors
    /// An event the engine refuses (size, name), or a name that cannot be used.
    pub async fn send<E: Event>(&mut self, name: &str, event: &E) -> Result<EventId, StepError> {
        let data = serde_json::to_value(event).map_err(|error| error.to_string());
        let address = usable(self.claim(name))?;
        let id = EventId::derived(&format!("{}/{address}", self.run_id()));
        let outgoing = data.map(|data| {
            vec![OutgoingEvent {
                id: Some(id.as_str().to_owned()),
                name: E::NAME.to_owned(),
                data,
                user: None,
            }]
        });
        self.act_once(&address, StepKind::Send, None, async |step: &Self| {
            let outgoing = outgoing.clone().map_err(refused)?;
            step.host().send(address.clone(), outgoing).await
        })
        .await?;
        Ok(id)
    }

    /// Sends several events in one commit, all or none; their ids are the result.
    ///
    /// # Errors
    /// See [`Step::send`].
    pub async fn send_all<E: Event>(
        &mut self,
        name: &str,
        events: &[E],
    ) -> Result<Vec<EventId>, StepError> {
        let address = usable(self.claim(name))?;
        let run = self.run_id();
        let id = |nth: usize| EventId::derived(&format!("{run}/{address}/{nth}"));
        let outgoing: Result<Vec<_>, String> = events
            .iter()
            .enumerate()
            .map(|(nth, event)| {
                let data = serde_json::to_value(event).map_err(|error| error.to_string())?;
                Ok(OutgoingEvent {
                    id: Some(id(nth).as_str().to_owned()),
                    name: E::NAME.to_owned(),
                    data,
                    user: None,
                })
            })
            .collect();
        let ids = (0..events.len()).map(id).collect();
        self.act_once(&address, StepKind::Send, None, async |step: &Self| {
            let outgoing = outgoing.clone().map_err(refused)?;
            step.host().send(address.clone(), outgoing).await
        })
        .await?;
        Ok(ids)
    }

    /// Signals another run, by its id or by the key it was started under.
    ///
    /// # Errors
    /// That there is no such run or it has ended; or a name that cannot be used.
    pub async fn signal<T: Serialize>(
        &mut self,
        name: &str,
        run: impl Into<RunRef>,
        signal: &str,
        data: &T,
    ) -> Result<(), StepError> {
        let data = serde_json::to_string(data).map_err(|error| error.to_string());
        let (address, run) = (usable(self.claim(name))?, run.into());
        self.act_once(&address, StepKind::SendSignal, None, async |step: &Self| {
            let data = data.clone().map_err(refused).map(Payload::from_json)?;
            let signal = signal.to_owned();
            step.host()
                .signal(address.clone(), run.clone(), signal, data)
                .await
        })
        .await
        .map(drop)
    }

    /// A call whose effect and record are one commit, made by `act`.
    pub(crate) async fn act_once<A>(
        &mut self,
        address: &StepAddress,
        kind: StepKind,
        subject: Option<Subject>,
        act: A,
    ) -> Result<Payload, StepError>
    where
        A: AsyncFn(&Self) -> Result<(), Failure>,
    {
        let position = self.passed();
        loop {
            let ask = StartStep {
                step: address.clone(),
                kind,
                position,
                subject: subject.clone(),
            };
            match self.host().ask(Command::StartStep(ask)) {
                Reply::Recorded(outcome) => {
                    self.pass();
                    return result_of(address.clone(), outcome);
                }
                // Crash here: nothing was sent, and the replay sends it.
                Reply::Execute { attempt } => {
                    if let Err(failure) = act(self).await {
                        self.fail(address, kind, attempt, failure);
                    }
                }
                Reply::Park { .. } | Reply::Wait { .. } => self.host().stirred(address).await,
                Reply::Stop
                | Reply::Hold
                | Reply::Patched(_)
                | Reply::Accepted
                | Reply::Fork { .. }
                | Reply::Judge { .. } => pending::<()>().await,
            }
        }
    }
}

fn refused(why: String) -> Failure {
    Failure::new(FailureClass::Terminal, why)
}
