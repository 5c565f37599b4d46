//! Which orders are tried.

use std::collections::BTreeSet;

use super::*;

#[test]
fn of_few_arrivals_every_order_is_tried_once_before_any_comes_again() {
    for count in 0..=ALL_ORDERS_UP_TO {
        let orders = (0..orders_of(count)).map(|seed| order_of(count, seed, &mut Dice::new(seed)));
        let orders: BTreeSet<_> = orders.collect();
        assert_eq!(orders.len() as u64, orders_of(count), "{count} arrivals");
    }
}

#[test]
fn a_drawn_order_has_each_arrival_once_and_is_the_same_every_time() {
    let drawn = |seed| order_of(9, seed, &mut Dice::new(seed));
    let sorted = |mut order: Vec<usize>| {
        order.sort_unstable();
        order
    };
    let different: BTreeSet<_> = (0..100).map(drawn).collect();
    assert!(different.len() > 95, "{}", different.len());
    for seed in 0..100 {
        assert_eq!(sorted(drawn(seed)), (0..9).collect::<Vec<_>>());
        assert_eq!(drawn(seed), drawn(seed));
    }
}
