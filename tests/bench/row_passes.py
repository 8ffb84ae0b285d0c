"""Row 10: signed wallet passes, from a member's snapshot to the bytes a phone fetches, in one thread.

The limit is the machine's own: how many RSA-2048 signatures a second `openssl speed` does on one core, since each pass
has one. Beside it stands what many a pass server does instead: `openssl smime` as a process for each signature.

Every pass is of another member, balance, tier and version, so none is taken from the cache; some of those made are opened
again, and OpenSSL judges their signatures.
"""

from __future__ import annotations

import gc
import hashlib
import io
import json
import re
import subprocess
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from core.holdings import Holdings
from core.ledger.account import Account, Lot
from core.programme.document import Published
from core.programme.validation import default_document, parse
from core.providers import Providers
from core.snapshot import Change, Profile, Snapshot
from surfaces.views import LOCALES
from tests.bench.figures import Reading, Row, interleave
from tests.bench.plan import Plan
from wallet_passes.apple.certificates import Signer, load_signer
from wallet_passes.apple.factory import PassFactory

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JUDGED = 25
"""Of the passes made; OpenSSL is started for each."""


def pass_rows(plan: Plan) -> list[Row]:
    with TemporaryDirectory(prefix="chorus-passes-") as name:
        folder = Path(name)
        signer = load_signer(Providers(), folder, datetime.now(UTC))
        ours = partial(passes, plan, folder, signer)
        limit, made = interleave("10", plan.repeats, partial(signatures, plan), ours)
        process, again = interleave("10b", plan.repeats, partial(smime, plan, folder), ours)
    return [
        Row(
            row="10", measure="signed passes/s, one thread", unit="/s", peer_name="RSA-2048 by openssl speed",
            peer=limit, ours=made, floor=0.5, goal=0.85, better="higher",
        ),
        Row(
            row="10b", measure="signed passes/s, one thread", unit="/s", peer_name="openssl smime, a process each",
            peer=process, ours=again, floor=1, goal=10, better="higher",
        ),
    ]  # fmt: skip


def signatures(plan: Plan) -> Reading:
    """The machine's limit on one core."""
    command = ["openssl", "speed", "-seconds", str(max(1, round(plan.pass_seconds))), "-mr", "rsa2048"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^\+F2:\d+:2048:([0-9.e-]+):", told, re.MULTILINE)
    if found is None:
        return Reading(0.0, faults=[f"openssl speed said nothing of RSA-2048: {told[-200:]!r}"])
    return Reading(float(found[1]))


def smime(plan: Plan, folder: Path) -> Reading:
    """The signature alone, by a process each."""
    keys, manifest = folder / "apple-development", folder / "manifest.json"
    manifest.write_text(json.dumps({f"file-{i}.png": "0" * 40 for i in range(13)}))
    command = ["openssl", "smime", "-sign", "-binary", "-outform", "DER", "-signer", str(keys / "pass.pem")]
    command += ["-inkey", str(keys / "pass.key"), "-certfile", str(keys / "intermediate.pem"), "-in", str(manifest)]
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < plan.pass_seconds:
        subprocess.run(command, capture_output=True, check=True)
        done += 1
    return Reading(done / (time.perf_counter() - started))


def passes(plan: Plan, folder: Path, signer: Signer) -> Reading:
    published, factory = Published(1, parse(default_document())), PassFactory(signer, "https://card.example/apple")
    members = snapshots()
    for _ in range(50):  # the template of every tier, and the code itself, are warm in any server
        factory.build(next(members), published, "t" * 32, NOW)
    # As a worker does (bff/worker).
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    kept, done = list[bytes](), 0
    started = time.perf_counter()
    while (seconds := time.perf_counter() - started) < plan.pass_seconds:
        made = factory.build(next(members), published, "t" * 32, NOW)
        done += 1
        if done % 50 == 0 and len(kept) < JUDGED:
            kept.append(made.data)
    gc.unfreeze()
    faults = [fault for data in kept if (fault := judge(data, folder))]
    return Reading(done / seconds, details={"judged": len(kept)}, faults=faults)


def snapshots() -> Iterator[Snapshot]:
    """Members that differ in all that a pass shows: balance, tier, dates, what happened, language."""
    member = 1000
    while True:
        member += 1
        points, qualifying = 37 * member % 40_000, 7919 * member % 60_000  # the first few are of every tier
        at = NOW - timedelta(minutes=member % 100_000)
        changes = tuple(
            Change(
                member=member, version=20 - i, kind="purchase", programme=1, recorded_at=at - timedelta(days=i),
                occurred_at=at - timedelta(days=i), available=points, points=points % 997 + i, sku="CD",
                quantity=1 + member % 4, amount=1299, place="harbour-street",
            )
            for i in range(5)
        )  # fmt: skip
        lots = (Lot(1, 1, at, at + timedelta(days=300), points, points),) if points else ()
        account = Account(lots=lots, lots_made=1, qualifying={2026: qualifying})
        profile = Profile(f"{member:012}", "", LOCALES[member % len(LOCALES)])
        yield Snapshot(member, 20, at, profile, Holdings(account), changes)


def judge(data: bytes, folder: Path) -> str:
    """What is wrong with a pass; empty where nothing is."""
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        files = {name: bundle.read(name) for name in bundle.namelist()}
    manifest = json.loads(files["manifest.json"])
    found = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
    if manifest != {name: found[name] for name in files if name not in ("manifest.json", "signature")}:
        return "a manifest is not that of its files"
    (folder / "judged.json").write_bytes(files["manifest.json"])
    (folder / "judged.sig").write_bytes(files["signature"])
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "judged.sig", "-content", "judged.json"]
    command += ["-CAfile", "apple-development/root.pem", "-purpose", "any"]
    verified = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if verified.returncode == 0 else f"OpenSSL refuses a signature: {verified.stderr.strip()[-200:]}"
