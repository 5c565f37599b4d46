//! The swag store: its workflow, its database, its HTTP routes and the clients of the services it calls.
