//! What users test their workflows with, tested on small shops of its own.

#[cfg(test)]
mod clocks;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod fakes;
#[cfg(test)]
mod journals;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod shop;
#[cfg(test)]
mod shuffles;
