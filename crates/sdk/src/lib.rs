//! What a workflow author sees: Step, Workflow, Event, errors, the registry, and the Host seam behind Step.
