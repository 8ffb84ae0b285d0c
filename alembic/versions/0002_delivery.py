"""Devices, wallet passes, deliveries: what reaches a member outside our own pages.

None of these is a member's state: nothing here moves a point, and all of it could be made again by asking members to add
their pass or their phone once more. A device's token is an address: it leads where it leads, whoever
registers it, so these keys do not lead with a member and cannot be distributed by it.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE member_device (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id     bigint NOT NULL,
    app           text NOT NULL,
    channel       text NOT NULL CHECK (channel IN ('apns', 'liveactivity', 'fcm', 'webpush', 'email', 'sms')),
    token         text NOT NULL,
    keys          jsonb NOT NULL,
    locale        text NOT NULL,
    registered_at timestamptz NOT NULL,
    refreshed_at  timestamptz NOT NULL,
    until         timestamptz
);
COMMENT ON TABLE member_device IS 'Where a member wants to be told. A token that moves to another member gets a new '
    'id, so that nothing planned for the first reaches the second.';
CREATE UNIQUE INDEX member_device_token ON member_device (channel, app, token);
CREATE INDEX member_device_member ON member_device (member_id);

CREATE TABLE delivery (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference    uuid NOT NULL DEFAULT gen_random_uuid(),
    epoch        integer NOT NULL,
    fact         bigint NOT NULL,
    member_id    bigint NOT NULL,
    version      bigint NOT NULL,
    kind         text NOT NULL,
    channel      text NOT NULL,
    target       bigint NOT NULL,
    state        text NOT NULL DEFAULT 'pending' CHECK (state IN
                     ('pending', 'delivered', 'collapsed', 'dead', 'rejected', 'failed', 'unknown')),
    attempts     integer NOT NULL DEFAULT 0,
    reason       text NOT NULL DEFAULT '',
    due_at       timestamptz NOT NULL,
    leased_until timestamptz,
    leased_by    text,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL
) WITH (fillfactor = 80);
COMMENT ON COLUMN delivery.fact IS 'The outbox row of this epoch; below zero: a change the clock or the programme made.';
CREATE UNIQUE INDEX delivery_once ON delivery (fact, member_id, channel, target, epoch);
CREATE INDEX delivery_due ON delivery (channel, due_at) WHERE state = 'pending';
CREATE INDEX delivery_target ON delivery (channel, target, version);
CREATE INDEX delivery_dead ON delivery (id) WHERE state IN ('rejected', 'failed', 'unknown');
CREATE INDEX delivery_age ON delivery USING brin (created_at);

CREATE SEQUENCE delivery_own_fact;
COMMENT ON SEQUENCE delivery_own_fact IS 'Numbers changes that are no facts of the ledger: a date, a programme.';

CREATE TABLE wallet_tag (
    id   smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    tag  bigint NOT NULL
);
COMMENT ON TABLE wallet_tag IS 'The update tag of Apple passes. Whoever marks passes holds its row until the commit, so '
    'that tags become visible in their own order and a device that asks from a tag misses nothing below it.';
INSERT INTO wallet_tag (tag) VALUES (0);

CREATE TABLE wallet_pass (
    member_id   bigint PRIMARY KEY,
    token       text NOT NULL,
    tag         bigint NOT NULL,
    given_tag   bigint NOT NULL,
    modified_at timestamptz NOT NULL CHECK (date_trunc('second', modified_at) = modified_at),
    version     bigint NOT NULL,
    programme   integer NOT NULL,
    valid_until timestamptz,
    created_at  timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN wallet_pass.given_tag IS 'The tag at which it was first given out; beyond it, copies may be old.';
COMMENT ON COLUMN wallet_pass.valid_until IS 'When the clock alone changes what the pass last given out shows.';
CREATE INDEX wallet_pass_programme ON wallet_pass (programme, member_id);
CREATE INDEX wallet_pass_due ON wallet_pass (valid_until) WHERE valid_until IS NOT NULL;

CREATE TABLE pass_device (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device        text NOT NULL,
    pass_type     text NOT NULL,
    member_id     bigint NOT NULL,
    token         text NOT NULL,
    registered_at timestamptz NOT NULL,
    refreshed_at  timestamptz NOT NULL,
    UNIQUE (device, pass_type, member_id)
);
COMMENT ON TABLE pass_device IS 'Which devices hold which Apple pass; token is where a push wakes the device.';
CREATE INDEX pass_device_member ON pass_device (member_id);

CREATE TABLE pass_log (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    logged_at timestamptz NOT NULL,
    message   text NOT NULL
);

CREATE TABLE google_pass (
    member_id   bigint PRIMARY KEY,
    state       text NOT NULL CHECK (state IN ('made', 'saved', 'removed')),
    version     bigint NOT NULL,
    programme   integer NOT NULL,
    valid_until timestamptz,
    notified    timestamptz[] NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE google_pass IS 'Members whose object Google has. version and programme are what it was last sent.';
CREATE INDEX google_pass_programme ON google_pass (programme, member_id);
CREATE INDEX google_pass_due ON google_pass (valid_until) WHERE valid_until IS NOT NULL;

CREATE TABLE google_nonce (
    nonce   text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
"""

WRITTEN = (
    "member_device", "delivery", "wallet_tag", "wallet_pass", "pass_device", "pass_log", "google_pass", "google_nonce",
)  # fmt: skip


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    app_role = op.get_context().config.attributes.get("app_role")
    if app_role:
        op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {", ".join(WRITTEN)} TO "{app_role}"')
        op.execute(f'GRANT USAGE ON SEQUENCE delivery_own_fact TO "{app_role}"')


def downgrade() -> None:
    op.execute(f"DROP TABLE {', '.join(WRITTEN)}")
    op.execute("DROP SEQUENCE delivery_own_fact")
