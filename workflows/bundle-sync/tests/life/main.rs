//! Purchases, links and refunds over two apps: crashes at every write, every order, odd cases.

#[cfg(test)]
mod bridge;
#[cfg(test)]
mod link;
#[cfg(test)]
mod purchase;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod shuffles;
#[cfg(test)]
mod world;
