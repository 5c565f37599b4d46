-- The tables of one app. Types and statements are those SQLite and Postgres share; times are ISO 8601 texts in UTC.

CREATE TABLE users (
    id             TEXT PRIMARY KEY,
    -- Trimmed and in lower case; dots and what follows a plus are kept.
    email          TEXT NOT NULL UNIQUE,
    email_verified BIGINT NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
    name           TEXT
);

CREATE TABLE oauth_accounts (
    provider            TEXT NOT NULL,
    provider_account_id TEXT NOT NULL,
    user_id             TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, provider_account_id)
);

CREATE TABLE products (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    -- JSON as the payment provider's metadata hold it: [{"app": "…", "productId": "…"}], or NULL.
    bundle_products TEXT
);

-- What a product of this app gives access to.
CREATE TABLE product_resources (
    product_id       TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    entitlement_type TEXT NOT NULL,
    resource_id      TEXT NOT NULL,
    PRIMARY KEY (product_id, entitlement_type, resource_id)
);

CREATE TABLE purchases (
    id              TEXT PRIMARY KEY,
    user_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    product_id      TEXT NOT NULL,
    quantity        BIGINT NOT NULL DEFAULT 1 CHECK (quantity >= 1),
    status          TEXT NOT NULL
                    CHECK (status IN ('Valid', 'Restricted', 'Refunded', 'Disputed', 'Banned')),
    buyer_email     TEXT NOT NULL,
    buyer_name      TEXT,
    amount          BIGINT NOT NULL CHECK (amount >= 0),
    amount_refunded BIGINT NOT NULL DEFAULT 0 CHECK (amount_refunded >= 0),
    note            TEXT,
    purchased_at    TEXT NOT NULL
);

-- One row for a purchase and a product of another app that it sells: how far the other app is.
CREATE TABLE cross_app_syncs (
    id                    TEXT PRIMARY KEY,
    purchase_id           TEXT NOT NULL REFERENCES purchases (id) ON DELETE CASCADE,
    target_app            TEXT NOT NULL,
    target_product_id     TEXT NOT NULL,
    status                TEXT NOT NULL DEFAULT 'pending'
                          CHECK (status IN ('pending', 'synced', 'failed', 'revoked')),
    target_entitlement_id TEXT,
    target_user_id        TEXT,
    error_message         TEXT,
    retry_count           BIGINT NOT NULL DEFAULT 0,
    created_at            TEXT NOT NULL,
    synced_at             TEXT,
    revoke_requested_at   TEXT,
    revoked_at            TEXT,
    UNIQUE (purchase_id, target_app, target_product_id)
);

CREATE INDEX cross_app_syncs_by_status ON cross_app_syncs (status);

-- One row for a purchase in another app and a product of this one: what the buyer has. It is also what concurrent
-- writers of one purchase queue at.
CREATE TABLE bundle_grants (
    id                 TEXT PRIMARY KEY,
    source_app         TEXT NOT NULL,
    source_purchase_id TEXT NOT NULL,
    product_id         TEXT NOT NULL,
    status             TEXT NOT NULL CHECK (status IN ('pending', 'active', 'revoked')),
    source_user_id     TEXT,
    pending_for_email  TEXT,
    cross_app_sync_id  TEXT,
    buyer_email        TEXT,
    buyer_name         TEXT,
    user_id            TEXT REFERENCES users (id) ON DELETE SET NULL,
    created_at         TEXT NOT NULL,
    claimed_at         TEXT,
    revoked_at         TEXT,
    UNIQUE (source_app, source_purchase_id, product_id)
);

CREATE INDEX bundle_grants_by_status ON bundle_grants (status, source_app);

-- What access is checked by: one row for each resource of the product.
CREATE TABLE entitlements (
    id                 TEXT PRIMARY KEY,
    grant_id           TEXT NOT NULL REFERENCES bundle_grants (id) ON DELETE CASCADE,
    entitlement_type   TEXT NOT NULL,
    resource_id        TEXT NOT NULL,
    user_id            TEXT REFERENCES users (id) ON DELETE SET NULL,
    source_type        TEXT NOT NULL DEFAULT 'PURCHASE',
    source_app         TEXT NOT NULL,
    source_purchase_id TEXT NOT NULL,
    product_id         TEXT NOT NULL,
    status             TEXT NOT NULL CHECK (status IN ('pending', 'active', 'revoked')),
    pending_for_email  TEXT,
    created_at         TEXT NOT NULL,
    claimed_at         TEXT,
    expires_at         TEXT,
    deleted_at         TEXT,
    UNIQUE (source_app, source_purchase_id, product_id, entitlement_type, resource_id)
);

CREATE INDEX entitlements_by_user ON entitlements (user_id);

CREATE TABLE account_links (
    id             TEXT PRIMARY KEY,
    user_id        TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    linked_app     TEXT NOT NULL,
    linked_user_id TEXT NOT NULL,
    linked_email   TEXT,
    link_method    TEXT NOT NULL CHECK (link_method IN ('oauth-github', 'oauth-discord', 'explicit')),
    linked_at      TEXT NOT NULL,
    unlinked_at    TEXT
);

-- At most one active link for a user of this app, and at most one for a user of the other.
CREATE UNIQUE INDEX account_links_active_by_user
    ON account_links (user_id, linked_app) WHERE unlinked_at IS NULL;
CREATE UNIQUE INDEX account_links_active_by_linked_user
    ON account_links (linked_app, linked_user_id) WHERE unlinked_at IS NULL;

-- Links that were removed, those among them that this app has not heard of yet too.
CREATE TABLE removed_links (
    id          TEXT PRIMARY KEY,
    unlinked_at TEXT NOT NULL
);

-- Messages to the other app, written in the transaction that gives reason for them.
CREATE TABLE outbox (
    id         TEXT PRIMARY KEY,
    target_app TEXT NOT NULL,
    name       TEXT NOT NULL,
    body       TEXT NOT NULL,
    sync_id    TEXT,
    status     TEXT NOT NULL CHECK (status IN ('owed', 'delivered', 'failed', 'held', 'rejected')),
    error      TEXT,
    created_at TEXT NOT NULL,
    settled_at TEXT,
    -- Since when its attempts are used up, those of later sendings included.
    failed_since TEXT
);

CREATE INDEX outbox_by_status ON outbox (status);

-- Mails that were decided upon, one of each kind for a purchase.
CREATE TABLE mails (
    kind        TEXT NOT NULL CHECK (kind IN ('granted', 'pending', 'claimed')),
    source_app  TEXT NOT NULL,
    purchase_id TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    PRIMARY KEY (kind, source_app, purchase_id)
);

-- What a person should look at, each once.
CREATE TABLE alerts (
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    detail     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
);
