//! Runs repaired by people: held, tried again, forked; one by one and many at once.

mod bulk;
mod forking;
mod pausing;
mod retrying;
