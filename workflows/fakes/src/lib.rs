//! Stand-ins for Stripe, Google, mail and Slack that speak their wire formats: for dev, demo and tests alone.
