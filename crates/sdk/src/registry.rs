//! What an engine runs: workflows by name, and the dependencies they ask for by type.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use stepwell_core::WorkflowName;

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
    /// Two workflows under one name.
    #[error("workflow {name} is registered twice: give one of them another name")]
    Duplicate {
        /// The name.
        name: String,
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

/// The workflows of an engine, and what they depend on.
#[derive(Clone, Default)]
pub struct Registry {
    workflows: BTreeMap<WorkflowName, Arc<dyn Workflow>>,
    resources: Resources,
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
        let key = WorkflowName::new(name.as_str());
        if self.workflows.insert(key, Arc::new(workflow)).is_some() {
            self.errors.push(RegistryError::Duplicate { name });
        }
        self
    }

    /// Adds a dependency that workflows take with `step.get::<T>()`; the last of a type wins.
    #[must_use]
    pub fn provide<T: Clone + Send + Sync + 'static>(mut self, dependency: T) -> Self {
        self.resources
            .0
            .insert(TypeId::of::<T>(), Arc::new(Held(dependency)));
        self
    }

    /// Everything of `other` too.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (name, workflow) in other.workflows {
            let text = name.as_str().to_owned();
            if self.workflows.insert(name, workflow).is_some() {
                self.errors.push(RegistryError::Duplicate { name: text });
            }
        }
        self.resources.0.extend(other.resources.0);
        self.errors.extend(other.errors);
        self
    }

    /// # Errors
    /// The first thing wrong with what was registered.
    pub fn check(&self) -> Result<(), RegistryError> {
        self.errors.first().cloned().map_or(Ok(()), Err)
    }

    /// The names registered, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.workflows.keys().map(WorkflowName::as_str)
    }

    /// The workflow of this name.
    #[must_use]
    pub fn get(&self, name: &WorkflowName) -> Option<&Arc<dyn Workflow>> {
        self.workflows.get(name)
    }

    /// The workflows an event of this name starts, in the order of their names.
    pub fn triggered_by<'a>(
        &'a self,
        event: &'a str,
    ) -> impl Iterator<Item = (&'a WorkflowName, &'a Arc<dyn Workflow>)> {
        self.workflows
            .iter()
            .filter(move |(_, workflow)| workflow.trigger() == Some(event))
    }

    /// All workflows, in the order of their names.
    pub fn workflows(&self) -> impl Iterator<Item = &Arc<dyn Workflow>> {
        self.workflows.values()
    }

    /// The dependencies.
    #[must_use]
    pub fn resources(&self) -> &Resources {
        &self.resources
    }
}
