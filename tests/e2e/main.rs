//! The `e2e` test binary.
