"""The programme's whole life of a point: pending points, vouchers, progress, shared counts, draws.

Only what is added: a release that does not know it goes on working beside it, and every default is what was so before.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE account
    ADD COLUMN pending bigint NOT NULL DEFAULT 0 CHECK (pending >= 0),
    ADD COLUMN lapses_at timestamptz;
CREATE INDEX account_lapses ON account (lapses_at) WHERE lapses_at IS NOT NULL AND available + debt > 0;
COMMENT ON COLUMN account.lapses_at IS 'When all its lots lapse for want of activity; empty where they have dates.';

ALTER TABLE lot ADD COLUMN source bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN lot.source IS 'The version of the purchase that earned it, whose return takes it first; 0 for others.';

ALTER TABLE hold
    ADD COLUMN store text NOT NULL DEFAULT '',
    ADD COLUMN stocked boolean NOT NULL DEFAULT false;

ALTER TABLE entry ADD COLUMN awards jsonb;
COMMENT ON COLUMN entry.awards IS 'Why points were given: each rule and what it gave. They add up to what was issued.';

ALTER TABLE profile ADD COLUMN birthday text NOT NULL DEFAULT '';

CREATE TABLE pending (
    member_id   bigint NOT NULL,
    currency    text NOT NULL,
    no          bigint NOT NULL,
    earned_at   timestamptz NOT NULL,
    vests_at    timestamptz NOT NULL,
    expires_at  timestamptz,
    amount      bigint NOT NULL CHECK (amount > 0),
    remaining   bigint NOT NULL CHECK (remaining BETWEEN 0 AND amount),
    PRIMARY KEY (member_id, currency, no)
) WITH (fillfactor = 80);
CREATE INDEX pending_due ON pending (vests_at) WHERE remaining > 0;

CREATE TABLE voucher (
    member_id   bigint NOT NULL,
    no          bigint NOT NULL,
    code        text NOT NULL,
    reward      text NOT NULL,
    issued_at   timestamptz NOT NULL,
    expires_at  timestamptz,
    uses        integer NOT NULL CHECK (uses > 0),
    used        integer NOT NULL CHECK (used BETWEEN 0 AND uses),
    points      bigint NOT NULL CHECK (points >= 0),
    currency    text NOT NULL,
    takings     jsonb NOT NULL,
    void        boolean NOT NULL,
    stocked     boolean NOT NULL,
    PRIMARY KEY (member_id, no)
) WITH (fillfactor = 80);
CREATE INDEX voucher_open ON voucher (member_id) WHERE used < uses AND NOT void;
COMMENT ON TABLE voucher IS 'Found by its code as an identifier of kind voucher, which is unique among all members.';

CREATE TABLE progress (
    member_id   bigint PRIMARY KEY,
    record      jsonb NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE progress IS 'What rules look at beside points: a member''s own counts, first purchase, segments.';

CREATE TABLE tally (
    key         text PRIMARY KEY,
    used        bigint NOT NULL CHECK (used >= 0),
    closed      boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
COMMENT ON TABLE tally IS 'Stock and limits that members use up together; not distributed by member.';

CREATE TABLE draw (
    id          text PRIMARY KEY,
    seed        bytea NOT NULL,
    committed_at timestamptz NOT NULL,
    tickets     bigint,
    concluded_at timestamptz
);
COMMENT ON TABLE draw IS 'A lucky draw: the hash of its seed is shown from the first day, the seed once it is concluded.';

CREATE TABLE draw_ticket (
    draw        text NOT NULL,
    no          bigint NOT NULL,
    member_id   bigint NOT NULL,
    version     bigint NOT NULL,
    entropy     bytea NOT NULL,
    PRIMARY KEY (draw, no)
);
COMMENT ON TABLE draw_ticket IS 'Not distributed by member: its numbers run through all of a draw.'
"""

TABLES = ("pending", "voucher", "progress", "tally", "draw")


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON draw_ticket "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
    )
    app_role = op.get_context().config.attributes.get("app_role")
    if app_role:
        op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON {", ".join(TABLES)} TO "{app_role}"')
        op.execute(f'GRANT SELECT, INSERT ON draw_ticket TO "{app_role}"')


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken apart: restore a backup instead (docs/operate.md)")
