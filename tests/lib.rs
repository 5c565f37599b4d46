//! Whole-product tests; see the three test binaries beside this file.
