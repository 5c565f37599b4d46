//! The page about testing workflows, whose examples are compiled and run as documentation tests.

#[doc = include_str!("../../../docs/testing-workflows.md")]
pub struct TestingWorkflows;
