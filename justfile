# What there is to run. `just` alone lists it.

_list:
    @just --list --unsorted

# Every check, exactly as CI runs them; with names (format lint deny tests docs) those alone.
verify *checks:
    ./verify {{checks}}

# The house rules alone.
tidy:
    cargo test -p stepwell-tests --test tidy

# One seed of the simulation again, told whole if it fails.
sim seed:
    STEPWELL_SIM_SEED={{seed}} cargo test -p stepwell-tests --test sim a_thousand_seeds_keep_every_promise

# So many seeds of the simulation.
sim-long seeds='10000':
    STEPWELL_SIM_SEEDS={{seeds}} cargo test --release -p stepwell-tests --test sim a_thousand_seeds_keep_every_promise

# The laws of the core and the stores, with scripts drawn from SEED.
drawn seed:
    PROPTEST_RNG_SEED={{seed}} cargo test -p stepwell-core --lib
    PROPTEST_RNG_SEED={{seed}} cargo test -p stepwell-tests --test sim

# The same with CASES scripts a property, for a night.
drawn-long cases='100000':
    PROPTEST_CASES={{cases}} cargo test --release -p stepwell-core --lib
    PROPTEST_CASES={{cases}} cargo test --release -p stepwell-tests --test sim

# The real binary: killed, cut off, filled up and damaged.
e2e *filter:
    cargo test -p stepwell-tests --test e2e -- {{filter}}

# An order through two kills, with nothing but the binary.
demo:
    cargo run --release -- demo

# Steps a second and their cost, beside a bare group-commit loop on the same disk.
bench *options:
    cargo run --release -- bench {{options}}

# What the compiler says of the classic mistakes, written anew: read the diff before keeping it.
compile-fail:
    TRYBUILD=overwrite cargo test -p stepwell --test compile_fail

# Formats everything.
fmt:
    cargo fmt --all

# The documentation of the crates, opened.
doc:
    cargo doc --workspace --no-deps --open
