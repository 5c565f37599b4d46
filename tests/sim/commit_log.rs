//! The commit log on a simulated disk: what it acknowledged is there, whatever happens.

mod author;
mod damage;
mod full_disk;
mod power_cut;
mod script;
mod take_over;
mod usage;
