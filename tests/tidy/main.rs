//! The house rules that neither the compiler nor clippy can hold, each as a test over the tree.
//!
//! A rule is a pure function from files to findings, kept beside the data it goes by, and tested on
//! text that breaks it: a rule that finds nothing anywhere would look just like a clean house. What
//! a rule forgives stands in its own table, with the reason. `docs/style.md` says the same in prose.

mod arrows;
mod core_purity;
mod durability;
mod error_pages;
mod findings;
mod layout;
mod links;
mod manifests;
mod module_tree;
mod outside_walls;
mod rust_source;
mod test_manners;
mod tree;
mod words;
mod workplace;
