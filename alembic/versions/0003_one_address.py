"""An e-mail address or a number once, whichever app registered it: several rows of one address told a member several
times, and ending the letters to one left the others.

Kept is the row that was refreshed last.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


STATEMENTS = (
    """DELETE FROM member_device AS old USING member_device AS kept
            WHERE old.channel IN ('email', 'sms') AND kept.channel = old.channel AND kept.token = old.token
              AND (kept.refreshed_at, kept.id) > (old.refreshed_at, old.id)""",
    "UPDATE member_device SET app = channel WHERE channel IN ('email', 'sms')",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """The release before reads these rows as they are."""
