//! What a run is: ids, journal entries and their encoding, the pure state machine, retry arithmetic.
