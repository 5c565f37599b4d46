//! The shell: intake, driving runs, timers, recovery, shutdown.
