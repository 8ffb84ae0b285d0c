"""Members that are one person: which went into which, and the account that points go through.

Only what is added: a release that does not know it goes on working beside it, as long as nobody merges. What is there
kept the narrower checks, so the wider ones need not read it again (NOT VALID): no table is locked for long.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE merge (
    absorbed         bigint NOT NULL,
    absorbed_version bigint NOT NULL,
    survivor         bigint NOT NULL,
    survivor_version bigint NOT NULL,
    lots             jsonb NOT NULL,
    PRIMARY KEY (absorbed, absorbed_version),
    UNIQUE (survivor, survivor_version)
);
COMMENT ON TABLE merge IS 'Append-only: which member went into which, at the version of each. lots: by currency, how far '
    'the numbers of its lots lie above its own there.';
CREATE INDEX member_merged ON member (merged_into) WHERE merged_into IS NOT NULL;
ALTER TABLE posting DROP CONSTRAINT posting_account_check;
ALTER TABLE posting ADD CONSTRAINT posting_account_check CHECK (account IN
    ('available', 'pending', 'held', 'issued', 'redeemed', 'expired', 'adjusted', 'merged')) NOT VALID;
ALTER TABLE hold DROP CONSTRAINT hold_state_check;
ALTER TABLE hold ADD CONSTRAINT hold_state_check
    CHECK (state IN ('open', 'captured', 'voided', 'timed_out', 'merged')) NOT VALID
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON merge "
        "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()"
    )
    app_role = op.get_context().config.attributes.get("app_role")
    if app_role:
        op.execute(f'GRANT SELECT, INSERT ON merge TO "{app_role}"')


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken apart: restore a backup instead (docs/operate.md)")
