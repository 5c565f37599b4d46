//! Bugs planted on purpose: each checker finds its own, and no other does.
