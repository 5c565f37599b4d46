-- The shop's tables. Types and statements are those SQLite and Postgres share; times are ISO 8601 texts in UTC.

CREATE TABLE products (
    id                TEXT PRIMARY KEY,
    slug              TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    type              TEXT NOT NULL,
    sku               TEXT NOT NULL,
    tagline           TEXT NOT NULL DEFAULT '',
    blurb             TEXT NOT NULL DEFAULT '',
    description       TEXT NOT NULL DEFAULT '',
    fabric            TEXT NOT NULL DEFAULT '',
    fit               TEXT NOT NULL DEFAULT '',
    corner_tag        TEXT NOT NULL DEFAULT '',
    cover             TEXT NOT NULL DEFAULT 'light' CHECK (cover IN ('light', 'dark', 'citrus')),
    price_cents       BIGINT NOT NULL CHECK (price_cents >= 0),
    category          TEXT NOT NULL CHECK (category IN ('apparel', 'accessories')),
    image             TEXT NOT NULL DEFAULT '',
    image_placeholder TEXT NOT NULL DEFAULT '',
    colors            TEXT NOT NULL DEFAULT '[]',
    sizes             TEXT NOT NULL DEFAULT '[]',
    featured          BIGINT NOT NULL DEFAULT 0,
    tags              TEXT NOT NULL DEFAULT '[]',
    updated_at        TEXT NOT NULL
);

CREATE INDEX products_by_sku ON products (sku);

CREATE TABLE product_variants (
    id            TEXT PRIMARY KEY,
    product_id    TEXT NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    size          TEXT,
    color         TEXT,
    initial_stock BIGINT NOT NULL,
    -- The last line of defence against overselling; the reservation checks before it subtracts.
    stock         BIGINT NOT NULL CHECK (stock >= 0),
    updated_at    TEXT NOT NULL
);

CREATE INDEX product_variants_by_product ON product_variants (product_id);

CREATE TABLE orders (
    order_id              TEXT PRIMARY KEY,
    created_at            TEXT NOT NULL,
    customer_email        TEXT NOT NULL,
    customer_name         TEXT NOT NULL,
    customer_phone        TEXT NOT NULL,
    items                 TEXT NOT NULL,
    total_cents           BIGINT NOT NULL,
    currency              TEXT NOT NULL,
    ship_address          TEXT NOT NULL,
    ship_city             TEXT NOT NULL,
    ship_state            TEXT NOT NULL,
    ship_zip              TEXT NOT NULL,
    ship_country          TEXT NOT NULL,
    status                TEXT NOT NULL CHECK (status IN ('pending', 'fulfilled', 'shipped', 'cancelled')),
    tracking              TEXT NOT NULL DEFAULT '',
    notes                 TEXT NOT NULL DEFAULT '',
    stripe_session_id     TEXT,
    discount_code         TEXT,
    discount_amount_cents BIGINT,
    updated_at            TEXT NOT NULL
);

CREATE TABLE order_items (
    -- `<order id>:<line>`: writing the same order again cannot add lines.
    id           TEXT PRIMARY KEY,
    order_id     TEXT NOT NULL REFERENCES orders (order_id) ON DELETE CASCADE,
    product_id   TEXT,
    variant_id   TEXT,
    sku          TEXT,
    name         TEXT NOT NULL,
    size         TEXT,
    color        TEXT,
    quantity     BIGINT NOT NULL,
    amount_total BIGINT NOT NULL
);

CREATE INDEX order_items_by_order ON order_items (order_id);

CREATE TABLE order_reservations (
    order_id       TEXT NOT NULL,
    variant_id     TEXT NOT NULL,
    quantity       BIGINT NOT NULL CHECK (quantity > 0),
    sku            TEXT NOT NULL,
    name           TEXT NOT NULL,
    size           TEXT,
    color          TEXT,
    created_at     TEXT NOT NULL,
    released_at    TEXT,
    release_reason TEXT,
    PRIMARY KEY (order_id, variant_id)
);

-- The audit ledger: for every variant, initial_stock plus all quantity_change equals stock.
CREATE TABLE inventory_adjustments (
    -- `<batch>:<variant>`: one row for each variant and direction of a batch.
    id              TEXT PRIMARY KEY,
    batch_id        TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    actor_email     TEXT NOT NULL,
    source          TEXT NOT NULL,
    reason          TEXT NOT NULL,
    mode            TEXT NOT NULL CHECK (mode IN
        ('receive_shipment', 'audit_count', 'manual_correction', 'order_reservation', 'order_release')),
    product_id      TEXT NOT NULL,
    product_name    TEXT NOT NULL,
    sku             TEXT NOT NULL,
    variant_id      TEXT NOT NULL,
    size            TEXT,
    color           TEXT,
    previous_stock  BIGINT NOT NULL,
    quantity_change BIGINT NOT NULL,
    new_stock       BIGINT NOT NULL,
    note            TEXT NOT NULL DEFAULT ''
);

CREATE INDEX inventory_adjustments_by_batch ON inventory_adjustments (batch_id);
CREATE INDEX inventory_adjustments_by_variant ON inventory_adjustments (variant_id);

-- What was put into the tables once and is the operators' from then on.
CREATE TABLE seeds (
    name       TEXT PRIMARY KEY,
    applied_at TEXT NOT NULL
);
