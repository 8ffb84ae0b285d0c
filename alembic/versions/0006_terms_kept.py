"""What a hold and a voucher were given by, kept with them: the money to be paid, whether it was granted, uses by hand.

Filled from the journal: each hold's price from the revision that opened it, each voucher's from the versions about it.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATEMENTS = """
ALTER TABLE hold ADD COLUMN money bigint NOT NULL DEFAULT 0 CHECK (money >= 0);
COMMENT ON COLUMN hold.money IS 'Minor units to be paid at its capture, as they were when it was opened.';
UPDATE hold SET money = (rule ->> 'money')::bigint
  FROM member_version v
  JOIN programme_revision p ON p.revision = (v.change ->> 'programme')::integer,
       jsonb_array_elements(p.document -> 'rewards') AS offered (rule)
 WHERE v.member_id = hold.member_id AND v.version = hold.no AND rule ->> 'id' = hold.reward
   AND rule ->> 'money' <> '0';

ALTER TABLE voucher
    ADD COLUMN granted boolean NOT NULL DEFAULT false,
    ADD COLUMN by_hand integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN voucher.by_hand IS 'Of its uses, those that paid no basket: only these are taken back by hand.';
UPDATE voucher SET granted = true
  FROM member_version v
 WHERE v.member_id = voucher.member_id AND v.version = voucher.no AND v.change ->> 'kind' = 'grant';
UPDATE voucher SET by_hand = greatest(0, least(used, counted.uses))
  FROM (SELECT member_id, (change ->> 'voucher')::bigint AS no,
               sum(CASE change ->> 'kind' WHEN 'use' THEN 1 ELSE -1 END) AS uses
          FROM member_version WHERE change ->> 'kind' IN ('use', 'unuse') GROUP BY 1, 2) AS counted
 WHERE counted.member_id = voucher.member_id AND counted.no = voucher.no;
ALTER TABLE voucher ADD CHECK (by_hand BETWEEN 0 AND used)
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a ledger is not taken apart: restore a backup instead (docs/operate.md)")
