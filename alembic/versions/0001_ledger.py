"""The ledger: members, journal, lots, claims, outbox, programme, devices.

The journal (entry, posting, member_version) is append-only twice over: the application's role is granted neither UPDATE,
DELETE nor TRUNCATE, and a trigger refuses them to everyone, the owner too. Zero-sum is a statement-level trigger with a
transition table: it costs a third of a deferred constraint trigger, and a store writes all postings of an entry in one
INSERT.

There are no foreign keys between member-owned tables: all of a member's rows are written by the one door under the
member's lock, and `chorus verify` proves the references. Primary keys lead with member_id, so the tables can be
distributed by it; `identifier`, `claim`, `device` cannot, and say so.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CLAIM_PARTITIONS = 8

TABLES = """
CREATE TABLE lineage (
    id          smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    epoch       integer NOT NULL CHECK (epoch > 0)
);
COMMENT ON TABLE lineage IS 'One row: the epoch grows each time the database is restored from the past.';
INSERT INTO lineage (epoch) VALUES (1);

CREATE TABLE programme_revision (
    revision     integer PRIMARY KEY CHECK (revision > 0),
    schema       integer NOT NULL,
    document     jsonb NOT NULL,
    source       text NOT NULL,
    in_force     timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    published_by text NOT NULL
);
COMMENT ON COLUMN programme_revision.in_force IS 'Events that occurred from this instant on are decided by it.';

CREATE SEQUENCE member_id INCREMENT BY 100 MINVALUE 1000;
COMMENT ON SEQUENCE member_id IS 'Handed out in blocks of a hundred: each process takes a block at a time.';

CREATE TABLE member (
    id          bigint PRIMARY KEY,
    version     bigint NOT NULL CHECK (version >= 0),
    merged_into bigint,
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE profile (
    member_id    bigint PRIMARY KEY,
    code         text NOT NULL,
    display_name text NOT NULL,
    locale       text NOT NULL
);

CREATE TABLE identifier (
    kind        text NOT NULL,
    value       text NOT NULL,
    member_id   bigint NOT NULL,
    linked_at   timestamptz NOT NULL,
    PRIMARY KEY (kind, value)
);
COMMENT ON TABLE identifier IS 'Not distributed by member: its key is what finds the member.';
CREATE INDEX identifier_member ON identifier (member_id);

CREATE TABLE account (
    member_id   bigint NOT NULL,
    currency    text NOT NULL,
    available   bigint NOT NULL,
    held        bigint NOT NULL CHECK (held >= 0),
    debt        bigint NOT NULL CHECK (debt >= 0),
    lots_made   integer NOT NULL CHECK (lots_made >= 0),
    qualifying  jsonb NOT NULL,
    next_due    timestamptz,
    PRIMARY KEY (member_id, currency)
) WITH (fillfactor = 70);
COMMENT ON TABLE account IS 'Derived from the journal; verify compares. qualifying: points by year; next_due: not after '
    'the first date of its lots and holds, so that a credit need not read them.';

CREATE TABLE lot (
    member_id   bigint NOT NULL,
    currency    text NOT NULL,
    no          integer NOT NULL,
    origin      bigint NOT NULL,
    earned_at   timestamptz NOT NULL,
    expires_at  timestamptz,
    amount      bigint NOT NULL CHECK (amount > 0),
    remaining   bigint NOT NULL CHECK (remaining BETWEEN 0 AND amount),
    PRIMARY KEY (member_id, currency, no)
) WITH (fillfactor = 80);
CREATE INDEX lot_due ON lot (expires_at) WHERE remaining > 0 AND expires_at IS NOT NULL;

CREATE TABLE hold (
    member_id        bigint NOT NULL,
    no               bigint NOT NULL,
    currency         text NOT NULL,
    reward           text NOT NULL,
    points           bigint NOT NULL CHECK (points > 0),
    opened_at        timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    takings          jsonb NOT NULL,
    state            text NOT NULL CHECK (state IN ('open', 'captured', 'voided', 'timed_out')),
    resolved_version bigint,
    PRIMARY KEY (member_id, no),
    CHECK ((state = 'open') = (resolved_version IS NULL))
);
CREATE INDEX hold_open ON hold (member_id) WHERE state = 'open';
CREATE INDEX hold_due ON hold (expires_at) WHERE state = 'open';

CREATE TABLE purchase (
    member_id   bigint NOT NULL,
    version     bigint NOT NULL,
    record      jsonb NOT NULL,
    PRIMARY KEY (member_id, version)
);
COMMENT ON TABLE purchase IS 'As printed, with what was returned since; a till knows it by member and version.';

CREATE TABLE entry (
    member_id   bigint NOT NULL,
    version     bigint NOT NULL,
    no          smallint NOT NULL,
    kind        text NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    programme   integer NOT NULL,
    source      text NOT NULL,
    place       text NOT NULL,
    reverses    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (member_id, version, no)
);

CREATE TABLE posting (
    member_id   bigint NOT NULL,
    version     bigint NOT NULL,
    entry_no    smallint NOT NULL,
    no          smallint NOT NULL,
    account     text NOT NULL CHECK (account IN
                    ('available', 'pending', 'held', 'issued', 'redeemed', 'expired', 'adjusted')),
    currency    text NOT NULL,
    amount      bigint NOT NULL CHECK (amount <> 0),
    lot         integer CHECK (lot IS NULL OR account = 'available'),
    PRIMARY KEY (member_id, version, entry_no, no)
);

CREATE TABLE member_version (
    member_id   bigint NOT NULL,
    version     bigint NOT NULL CHECK (version > 0),
    command     text NOT NULL,
    entries     smallint NOT NULL,
    recorded_at timestamptz NOT NULL,
    change      jsonb NOT NULL,
    PRIMARY KEY (member_id, version)
);

CREATE TABLE claim (
    source      text NOT NULL,
    id          text NOT NULL,
    hash        bytea NOT NULL,
    attempt     bigint NOT NULL,
    member_id   bigint,
    version     bigint,
    changed     boolean,
    PRIMARY KEY (source, id)
) PARTITION BY HASH (source, id);
COMMENT ON TABLE claim IS 'Idempotency keys, kept for ever; not distributed by member.';

CREATE TABLE outbox (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id   bigint NOT NULL,
    version     bigint NOT NULL,
    kind        text NOT NULL,
    payload     jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
COMMENT ON TABLE outbox IS 'A queue: the relay deletes what the stream has acknowledged. Rows enter under the member''s '
    'lock, so id order is version order for one member; between members none is promised.';

CREATE TABLE device (
    id          text PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('kiosk', 'till')),
    store       text NOT NULL,
    name        text NOT NULL,
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);

CREATE TABLE device_session (
    device_id   text PRIMARY KEY REFERENCES device (id),
    session     bigint NOT NULL,
    member_id   bigint,
    clears_at   timestamptz
);
COMMENT ON TABLE device_session IS 'Which member a kiosk shows; the session number grows with every bind and unbind.';
"""

APPEND_ONLY = """
CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$
"""

ZERO_SUM = """
CREATE FUNCTION entries_sum_to_zero() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE wrong record;
BEGIN
    SELECT member_id, version, entry_no, currency, sum(amount) AS total INTO wrong
      FROM written GROUP BY member_id, version, entry_no, currency HAVING sum(amount) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry %/%/% does not sum to zero in %: %',
            wrong.member_id, wrong.version, wrong.entry_no, wrong.currency, wrong.total
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""

JOURNAL = ("entry", "posting", "member_version", "programme_revision")
MUTABLE = (
    "member", "profile", "identifier", "account", "lot", "hold", "purchase", "claim", "outbox",
    "device", "device_session",
)  # fmt: skip


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    for n in range(CLAIM_PARTITIONS):
        op.execute(
            f"CREATE TABLE claim_{n} PARTITION OF claim "
            f"FOR VALUES WITH (MODULUS {CLAIM_PARTITIONS}, REMAINDER {n}) WITH (fillfactor = 50)"
        )
    op.execute(APPEND_ONLY)
    op.execute(ZERO_SUM)
    op.execute(
        "CREATE TRIGGER zero_sum AFTER INSERT ON posting REFERENCING NEW TABLE AS written "
        "FOR EACH STATEMENT EXECUTE FUNCTION entries_sum_to_zero()"
    )
    for table in JOURNAL:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
        )
    app_role = op.get_context().config.attributes.get("app_role")
    if app_role:
        op.execute(f'GRANT SELECT, INSERT ON {", ".join(JOURNAL)} TO "{app_role}"')
        op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {", ".join(MUTABLE)} TO "{app_role}"')
        op.execute(f'GRANT SELECT ON lineage, alembic_version TO "{app_role}"')
        op.execute(f'GRANT USAGE ON SEQUENCE member_id TO "{app_role}"')


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken apart: restore a backup instead (docs/operate.md)")
