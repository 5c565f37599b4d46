//! The contract of durability: the Store trait, its errors, its promises in prose, the key layout.
