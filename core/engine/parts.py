"""The statements that the door writes with: a part for each table, put together into one statement for a batch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count

import msgspec


class Part(msgspec.Struct, frozen=True):
    """A statement over `{rows}`: its columns, each an array of the given type, unnested side by side. One that `follows`
    another part takes its rows from what that one returns."""

    template: str
    columns: dict[str, str]
    follows: str = ""

    def sql(self, number: Iterator[int]) -> str:
        """With its parameters numbered by `number`."""
        arrays = ", ".join(f"CAST(${next(number)} AS {kind}[])" for kind in self.columns.values())
        names = ", ".join(self.columns)
        return self.template.format(rows=f"unnest({arrays}) AS new ({names})", names=names)


def _part(template: str, **columns: str) -> Part:
    return Part(template, columns)


@cache
def statement(present: tuple[str, ...]) -> str:
    """One statement for the parts that have rows: its parameters are their columns, part by part. There are a dozen
    common sets of parts, each prepared once."""
    number = count(1)
    if len(present) == 1:
        return _ALL[present[0]].sql(number)
    parts = ", ".join(f"{name}_part AS ({_ALL[name].sql(number)})" for name in present)
    return f"WITH {parts} SELECT 1"


_ACCOUNT = {
    "member_id": "bigint",
    "currency": "text",
    "available": "bigint",
    "held": "bigint",
    "debt": "bigint",
    "lots_made": "integer",
    "qualifying": "jsonb",
    "next_due": "timestamptz",
    "pending": "bigint",
    "lapses_at": "timestamptz",
}

PARTS: dict[str, Part] = {
    "unclaim": _part(
        "DELETE FROM claim USING {rows} WHERE claim.source = new.source AND claim.id = new.id",
        source="text", id="text",
    ),
    "answer": _part(
        """UPDATE claim SET member_id = new.member, version = new.version, changed = new.changed FROM {rows}
            WHERE claim.source = new.source AND claim.id = new.id""",
        source="text", id="text", member="bigint", version="bigint", changed="boolean",
    ),
    "new_member": _part(
        "INSERT INTO member ({names}) SELECT * FROM {rows}", id="bigint", version="bigint", recorded_at="timestamptz"
    ),
    "member": _part(
        """UPDATE member SET version = new.version, recorded_at = new.recorded_at FROM {rows}
            WHERE member.id = new.id""",
        id="bigint", version="bigint", recorded_at="timestamptz",
    ),
    "gone": _part(
        """UPDATE member SET version = new.version, recorded_at = new.recorded_at, merged_into = new.merged_into
             FROM {rows} WHERE member.id = new.id""",
        id="bigint", version="bigint", recorded_at="timestamptz", merged_into="bigint",
    ),
    "gone_before": _part(
        "UPDATE member SET merged_into = new.survivor FROM {rows} WHERE member.merged_into = new.member",
        member="bigint", survivor="bigint",
    ),
    "merge": _part(
        "INSERT INTO merge ({names}) SELECT * FROM {rows}",
        absorbed="bigint", absorbed_version="bigint", survivor="bigint", survivor_version="bigint", lots="jsonb",
    ),
    "identifier": _part(
        "UPDATE identifier SET member_id = new.survivor FROM {rows} WHERE identifier.member_id = new.member",
        member="bigint", survivor="bigint",
    ),
    "member_device": _part(
        "UPDATE member_device SET member_id = new.survivor FROM {rows} WHERE member_device.member_id = new.member",
        member="bigint", survivor="bigint",
    ),
    "profile": _part(
        "INSERT INTO profile ({names}) SELECT * FROM {rows}",
        member_id="bigint", code="text", display_name="text", locale="text", birthday="text",
    ),
    "birthday": _part(
        "UPDATE profile SET birthday = new.birthday FROM {rows} WHERE profile.member_id = new.member_id",
        member_id="bigint", birthday="text",
    ),
    "progress": _part(
        """INSERT INTO progress ({names}) SELECT * FROM {rows}
           ON CONFLICT (member_id) DO UPDATE SET record = excluded.record""",
        member_id="bigint", record="jsonb",
    ),
    "new_account": _part("INSERT INTO account ({names}) SELECT * FROM {rows}", **_ACCOUNT),
    "account": _part(
        """UPDATE account SET available = new.available, held = new.held, debt = new.debt,
                  lots_made = new.lots_made, qualifying = new.qualifying, next_due = new.next_due,
                  pending = new.pending, lapses_at = new.lapses_at FROM {rows}
            WHERE account.member_id = new.member_id AND account.currency = new.currency""",
        **_ACCOUNT,
    ),
    "entry": _part(
        "INSERT INTO entry ({names}) SELECT * FROM {rows}",
        member_id="bigint", version="bigint", no="smallint", kind="text", occurred_at="timestamptz",
        recorded_at="timestamptz", programme="integer", source="text", place="text", reverses="bigint",
        awards="jsonb",
    ),
    "posting": _part(
        "INSERT INTO posting ({names}) SELECT * FROM {rows}",
        member_id="bigint", version="bigint", entry_no="smallint", no="smallint", account="text", currency="text",
        amount="bigint", lot="integer",
    ),
    "new_lot": _part(
        "INSERT INTO lot ({names}) SELECT * FROM {rows}",
        member_id="bigint", currency="text", no="integer", origin="bigint", earned_at="timestamptz",
        expires_at="timestamptz", amount="bigint", remaining="bigint", source="bigint",
    ),
    "lot": _part(
        """UPDATE lot SET remaining = new.remaining FROM {rows}
            WHERE lot.member_id = new.member_id AND lot.currency = new.currency AND lot.no = new.no""",
        member_id="bigint", currency="text", no="integer", remaining="bigint",
    ),
    "new_hold": _part(
        "INSERT INTO hold ({names}, state) SELECT *, 'open' FROM {rows}",
        member_id="bigint", no="bigint", currency="text", reward="text", points="bigint", opened_at="timestamptz",
        expires_at="timestamptz", takings="jsonb", store="text", stocked="boolean", money="bigint",
    ),
    "new_pending": _part(
        "INSERT INTO pending ({names}) SELECT * FROM {rows}",
        member_id="bigint", currency="text", no="bigint", earned_at="timestamptz", vests_at="timestamptz",
        expires_at="timestamptz", amount="bigint", remaining="bigint",
    ),
    "pending": _part(
        """UPDATE pending SET remaining = new.remaining FROM {rows}
            WHERE pending.member_id = new.member_id AND pending.currency = new.currency AND pending.no = new.no""",
        member_id="bigint", currency="text", no="bigint", remaining="bigint",
    ),
    "new_voucher": _part(
        "INSERT INTO voucher ({names}) SELECT * FROM {rows}",
        member_id="bigint", no="bigint", code="text", reward="text", issued_at="timestamptz",
        expires_at="timestamptz", uses="integer", used="integer", points="bigint", currency="text", takings="jsonb",
        void="boolean", stocked="boolean", granted="boolean", by_hand="integer",
    ),
    "voucher": _part(
        """UPDATE voucher SET used = new.used, void = new.void, by_hand = new.by_hand FROM {rows}
            WHERE voucher.member_id = new.member_id AND voucher.no = new.no""",
        member_id="bigint", no="bigint", used="integer", void="boolean", by_hand="integer",
    ),
    "ticket": _part(
        "INSERT INTO draw_ticket ({names}) SELECT * FROM {rows}",
        draw="text", no="bigint", member_id="bigint", version="bigint", entropy="bytea",
    ),
    "tally": _part(
        "UPDATE tally SET used = used + new.by FROM {rows} WHERE tally.key = new.key", key="text", by="bigint"
    ),
    "purchase": _part(
        """INSERT INTO purchase ({names}) SELECT * FROM {rows}
           ON CONFLICT (member_id, version) DO UPDATE SET record = excluded.record""",
        member_id="bigint", version="bigint", record="jsonb",
    ),
    "returned": _part(
        """UPDATE purchase SET record = purchase.record || new.record FROM {rows}
            WHERE purchase.member_id = new.member_id AND purchase.version = new.version""",
        member_id="bigint", version="bigint", record="jsonb",
    ),
    "member_version": _part(
        "INSERT INTO member_version ({names}) SELECT * FROM {rows} RETURNING {names}",
        member_id="bigint", version="bigint", command="text", entries="smallint", recorded_at="timestamptz",
        change="jsonb",
    ),
    "outbox": Part(
        """INSERT INTO outbox (member_id, version, kind, payload, recorded_at)
           SELECT member_id, version, command, change, recorded_at FROM member_version_part
            ORDER BY member_id, version""",
        {}, follows="member_version",
    ),
}  # fmt: skip

AFTER: dict[str, Part] = {
    "hold_end": _part(
        """UPDATE hold SET state = new.state, resolved_version = new.version FROM {rows}
            WHERE hold.member_id = new.member_id AND hold.no = new.no AND hold.state = 'open'""",
        member_id="bigint", no="bigint", state="text", version="bigint",
    ),
    "name": _part(
        """UPDATE profile SET code = other.code, display_name = other.display_name, locale = other.locale
             FROM {rows} JOIN profile other ON other.member_id = new.other WHERE profile.member_id = new.member""",
        member="bigint", other="bigint",
    ),
}  # fmt: skip

_ALL = PARTS | AFTER
