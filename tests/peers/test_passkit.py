"""The reader of passes is content with a good pass.json, and names what is wrong with a bad one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.peers.install import node
from tests.peers.node import FOLDER
from tests.peers.passkit import check_pass, check_passes

GOOD = {
    "formatVersion": 1,
    "passTypeIdentifier": "pass.com.example.chorus",
    "serialNumber": "1",
    "teamIdentifier": "TEAM123456",
    "organizationName": "Harbour Records",
    "description": "Membership",
    "webServiceURL": "https://example.com/wallet",
    "authenticationToken": "0123456789abcdef",
    "backgroundColor": "rgb(10, 20, 30)",
    "barcodes": [{"format": "PKBarcodeFormatQR", "message": "1", "messageEncoding": "iso-8859-1"}],
    "locations": [{"latitude": 53.5, "longitude": 10.0}],
    "storeCard": {"primaryFields": [{"key": "points", "label": "Points", "value": "12", "changeMessage": "Now %@"}]},
}


def card(**fields: object) -> dict[str, Any]:
    return {**GOOD, "storeCard": fields}


async def test_a_pass_is_judged_strictly() -> None:
    points = {"key": "points", "value": "12"}
    bad: list[tuple[dict[str, Any] | str, str]] = [
        ({**GOOD, "formatVersion": "1"}, '"formatVersion" must be a number'),
        ({**GOOD, "colour": "red"}, '"colour" is not allowed'),
        ({**GOOD, "authenticationToken": "short"}, '"authenticationToken" length must be at least 16 characters long'),
        (
            {**GOOD, "webServiceURL": "https://example.com/wallet/"},
            "webServiceURL must be https, without a slash at its end",
        ),
        ({**GOOD, "coupon": {}}, "there must be exactly one style"),
        ({name: value for name, value in GOOD.items() if name != "description"}, "description is required"),
        (card(primaryFields=[{"key": "points"}]), '"storeCard.primaryFields[0].value" is required'),
        (card(primaryFields=[{**points, "lable": "x"}]), '"storeCard.primaryFields[0].lable" is not allowed'),
        (card(primaryFields=[points], backFields=[points]), "storeCard.backFields.0 has no place in a pass"),
        ("{", "no JSON"),
    ]
    good, *verdicts = await check_passes([GOOD, *(content for content, _ in bad)])
    assert good == []
    for verdict, (_, reason) in zip(verdicts, bad, strict=True):
        assert any(error.startswith(reason) for error in verdict), (verdict, reason)
    assert await check_pass(json.dumps(GOOD, indent=2)) == []


async def test_a_folder_is_judged_by_its_pass(tmp_path: Path) -> None:
    (tmp_path / "pass.json").write_text(json.dumps({**GOOD, "formatVersion": 2}))
    process = await asyncio.create_subprocess_exec(
        node(), "passkit.mjs", str(tmp_path), cwd=FOLDER, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert json.loads(out) == {"ok": False, "errors": ["formatVersion must be 1"]}
