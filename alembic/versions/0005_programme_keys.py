"""Keys under which revisions were published, so that a request sent again publishes nothing twice."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE programme_key (
    source     text NOT NULL,
    id         text NOT NULL,
    hash       bytea NOT NULL,
    revision   integer,
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (source, id)
)
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(
        "COMMENT ON TABLE programme_key IS 'Idempotency keys of publishing, kept for ever. revision is set in the "
        "transaction that claims the key.'"
    )
    app_role = op.get_context().config.attributes.get("app_role")
    if app_role:
        op.execute(f'GRANT SELECT, INSERT, UPDATE ON programme_key TO "{app_role}"')


def downgrade() -> None:
    op.execute("DROP TABLE programme_key")
