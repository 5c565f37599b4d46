//! What users test their workflows with, tested on small shops of its own.

mod clocks;
mod crashes;
mod fakes;
mod journals;
mod shop;
mod shuffles;
