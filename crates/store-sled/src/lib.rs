//! The store contract kept by a commit log in front and sled behind.
