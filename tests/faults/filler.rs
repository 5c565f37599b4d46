//! Text that a seed decides, so that whoever knows the seed knows every byte.

/// `bytes` letters and digits that follow from `seed` alone.
pub(crate) fn text(seed: u64, bytes: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed;
    let mut text = String::with_capacity(bytes + 8);
    while text.len() < bytes {
        let mut word = next(&mut state);
        for _ in 0..8 {
            text.push(char::from(LETTERS[(word & 63) as usize]));
            word >>= 6;
        }
    }
    text.truncate(bytes);
    text
}

/// The next of a sequence of well-mixed numbers.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
