//! The `sim` test binary.
