//! What an engine runs: workflows by name and version, and the dependencies they ask for by type.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use stepwell_core::WorkflowName;
use stepwell_core::schedule::Schedule;

use crate::event::{Event, EventType};
use crate::workflow::Workflow;

/// Dependencies by type: each `step.get` clones one out.
#[derive(Clone, Default)]
pub struct Resources(BTreeMap<TypeId, Arc<dyn Resource>>);

/// A dependency that can be cloned without knowing its type.
trait Resource: Send + Sync {
    fn cloned(&self) -> Box<dyn Any>;
    fn type_name(&self) -> &'static str;
}

struct Held<T>(T);

impl<T: Clone + Send + Sync + 'static> Resource for Held<T> {
    fn cloned(&self) -> Box<dyn Any> {
        Box::new(self.0.clone())
    }

    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

impl Resources {
    /// The dependency of this type, cloned.
    #[must_use]
    pub fn get(&self, of: TypeId) -> Option<Box<dyn Any>> {
        self.0.get(&of).map(|held| held.cloned())
    }
}

impl fmt::Debug for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may hold secrets: the types alone are shown.
        f.debug_set()
            .entries(self.0.values().map(|held| held.type_name()))
            .finish()
    }
}

/// A registry that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Two workflows under one name and version.
    #[error(
        "workflow {name} is registered twice with version {version}: give one of them another \
         name, or the newer code a higher version"
    )]
    Duplicate {
        /// The name.
        name: String,
        /// The version.
        version: u32,
    },
    /// A version that cannot be used.
    #[error("workflow {name} has version 0: versions count from 1")]
    BadVersion {
        /// The name.
        name: String,
    },
    /// One event name with two keys.
    #[error(
        "event {name} is declared with the keys {first:?} and {second:?}: give all types of that \
         name the same key"
    )]
    EventKeys {
        /// The event's name.
        name: &'static str,
        /// One of the keys.
        first: Option<&'static str>,
        /// The other.
        second: Option<&'static str>,
    },
    /// A schedule that cannot be read.
    #[error("schedule of workflow {name} cannot be used: {why}")]
    Schedule {
        /// The workflow.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A workflow for failed runs that is not there.
    #[error("workflow {name} names {missing} for its failed runs, which is not registered: add it")]
    NoFailureWorkflow {
        /// The workflow.
        name: String,
        /// The missing one.
        missing: &'static str,
    },
    /// A name that cannot be used.
    #[error(
        "workflow name {name:?} cannot be used: give 1 to 128 bytes of lowercase letters, digits \
         and hyphens"
    )]
    BadName {
        /// The name.
        name: String,
    },
}

/// The code of one workflow, by version; never empty.
type Versions = BTreeMap<u32, Arc<dyn Workflow>>;

/// The workflows of an engine, and what they depend on.
///
/// A workflow may be registered with several versions of its code, side by side: runs begin on the
/// highest, and go on with the version that began them.
#[derive(Clone, Default)]
pub struct Registry {
    workflows: BTreeMap<WorkflowName, Versions>,
    resources: Resources,
    events: BTreeMap<&'static str, Option<&'static str>>,
    errors: Vec<RegistryError>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("workflows", &self.workflows.keys())
            .field("resources", &self.resources)
            .finish()
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a workflow. A name that is taken or unusable is reported by [`Registry::check`].
    #[must_use]
    pub fn with(mut self, workflow: impl Workflow) -> Self {
        let name = workflow.name().to_owned();
        let usable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(usable) {
            self.errors.push(RegistryError::BadName { name });
            return self;
        }
        if let Some(cron) = workflow.cron()
            && let Err(error) = Schedule::parse(cron.expression, cron.zone)
        {
            let (name, why) = (name.clone(), error.to_string());
            self.errors.push(RegistryError::Schedule { name, why });
        }
        for event in workflow.waits().into_iter().chain(workflow.cancel_on()) {
            self.add_event(event);
        }
        self.add(WorkflowName::new(name.as_str()), Arc::new(workflow));
        self
    }

    fn add(&mut self, name: WorkflowName, workflow: Arc<dyn Workflow>) {
        let (version, text) = (workflow.version(), name.as_str().to_owned());
        if version == 0 {
            let name = text.clone();
            self.errors.push(RegistryError::BadVersion { name });
        }
        let versions = self.workflows.entry(name).or_default();
        if versions.insert(version, workflow).is_some() {
            let name = text;
            self.errors.push(RegistryError::Duplicate { name, version });
        }
    }

    /// Adds a dependency that workflows take with `step.get::<T>()`; the last of a type wins.
    #[must_use]
    pub fn provide<T: Clone + Send + Sync + 'static>(mut self, dependency: T) -> Self {
        self.resources
            .0
            .insert(TypeId::of::<T>(), Arc::new(Held(dependency)));
        self
    }

    /// Adds an event type that code waits for. Those that a workflow spells out in its own body as
    /// `wait_for::<E>` are added with it; this is for waits in helper functions.
    #[must_use]
    pub fn event<E: Event>(mut self) -> Self {
        self.add_event(EventType::of::<E>());
        self
    }

    fn add_event(&mut self, event: EventType) {
        let EventType { name, key } = event;
        let first = *self.events.entry(name).or_insert(key);
        if first != key {
            let second = key;
            self.errors.push(RegistryError::EventKeys {
                name,
                first,
                second,
            });
        }
    }

    /// Everything of `other` too.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (name, versions) in other.workflows {
            for workflow in versions.into_values() {
                self.add(name.clone(), workflow);
            }
        }
        self.resources.0.extend(other.resources.0);
        for (name, key) in other.events {
            self.add_event(EventType { name, key });
        }
        self.errors.extend(other.errors);
        self
    }

    /// # Errors
    /// The first thing wrong with what was registered.
    pub fn check(&self) -> Result<(), RegistryError> {
        if let Some(error) = self.errors.first() {
            return Err(error.clone());
        }
        for workflow in self.versions() {
            let follows = workflow.on_failure();
            if let Some(missing) = follows.filter(|follows| !self.has(follows)) {
                let name = workflow.name().to_owned();
                return Err(RegistryError::NoFailureWorkflow { name, missing });
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.workflows.contains_key(&WorkflowName::new(name))
    }

    /// The event type of this name, if code waits for it: `Some` with the field it is matched by.
    #[must_use]
    pub fn awaited_event(&self, name: &str) -> Option<EventType> {
        let (name, key) = self.events.get_key_value(name)?;
        Some(EventType { name, key: *key })
    }

    /// The names registered, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.workflows.keys().map(WorkflowName::as_str)
    }

    /// The workflow of this name, in the version on which runs begin: the highest.
    #[must_use]
    pub fn get(&self, name: &WorkflowName) -> Option<&Arc<dyn Workflow>> {
        self.workflows.get(name)?.values().next_back()
    }

    /// The workflow of this name in this version of its code.
    #[must_use]
    pub fn version(&self, name: &WorkflowName, version: u32) -> Option<&Arc<dyn Workflow>> {
        self.workflows.get(name)?.get(&version)
    }

    /// The workflows an event of this name starts, each in its highest version, in the order of
    /// their names.
    pub fn triggered_by<'a>(
        &'a self,
        event: &'a str,
    ) -> impl Iterator<Item = (&'a WorkflowName, &'a Arc<dyn Workflow>)> {
        self.workflows
            .iter()
            .filter_map(|(name, versions)| Some((name, versions.values().next_back()?)))
            .filter(move |(_, workflow)| workflow.trigger() == Some(event))
    }

    /// All workflows, each in its highest version, in the order of their names.
    pub fn workflows(&self) -> impl Iterator<Item = &Arc<dyn Workflow>> {
        let versions = self.workflows.values();
        versions.filter_map(|versions| versions.values().next_back())
    }

    /// All versions of all workflows, in the order of their names, the lowest first.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<dyn Workflow>> {
        self.workflows.values().flat_map(BTreeMap::values)
    }

    /// The dependencies.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }
}
