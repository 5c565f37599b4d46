//! HTTP: routes, wire types, errors to status codes, a mount point for product routes.
