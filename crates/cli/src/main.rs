//! The binary `stepwell` with our own products registered.

fn main() {}
