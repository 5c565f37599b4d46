//! The `tidy` test binary.
