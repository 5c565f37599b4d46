//! Bytes in order, durable when it says so: the only code that syncs an acknowledgement.
