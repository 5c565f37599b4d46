//! The binary: arguments, configuration, and the only place that picks a store and registers workflows.
