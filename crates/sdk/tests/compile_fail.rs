//! The classic mistakes of durable code do not compile, and what the compiler says is pinned.
//!
//! Each file of `compile_fail/` makes one mistake; the `.stderr` beside it is the whole answer.
//! `docs/compile-errors.md` sets each mistake beside its mend, and `mended_code.rs` compiles the
//! mends. `TRYBUILD=overwrite` writes the answers anew, to be read before they are kept.

#[test]
fn the_classic_mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
