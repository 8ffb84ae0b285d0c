"""The file itself: OpenSSL verifies it, every reader of ZIPs finds it whole, and its bytes follow from its contents."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from PIL import Image

from core.programme.document import Published
from core.providers import Providers
from core.snapshot import Snapshot
from surfaces import app, wallet, web
from tests.peers.install import node
from tests.surfaces.samples import NOW, PUBLISHED, snapshot
from tests.wallet_passes.conftest import SERVICE
from tests.wallet_passes.opening import BadPass, check_signature, opened, verified
from wallet_passes.apple import factory as factory_module
from wallet_passes.apple.certificates import Signer, load_signer
from wallet_passes.apple.factory import PassFactory

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent.parent
TOKEN = "token-of-thirty-two-characters-ok"
SIZES = {
    "icon.png": (29, 29), "icon@2x.png": (58, 58), "icon@3x.png": (87, 87),
    "logo.png": (36, 50), "logo@2x.png": (72, 100), "logo@3x.png": (108, 150),
    "strip.png": (375, 123), "strip@2x.png": (750, 246), "strip@3x.png": (1125, 369),
}  # fmt: skip
"""Icon 29 points, logo at most 160 x 50, strip 375 x 123."""
TIERS = {"listener": 0, "silver": 18_596, "gold": 30_000}


@pytest.fixture(scope="module")
def data(signer: Signer) -> bytes:
    return PassFactory(signer, SERVICE).build(snapshot(), PUBLISHED, TOKEN, NOW).data


# -- the signature --------------------------------------------------------------------------------------------------


def test_openssl_verifies_the_signature(data: bytes, root: Path, signer: Signer) -> None:
    files = verified(data, root).files
    found = load_der_pkcs7_certificates(files["signature"])
    assert {one.fingerprint(signer.certificate.signature_hash_algorithm) for one in found} == {
        one.fingerprint(signer.certificate.signature_hash_algorithm)
        for one in (signer.certificate, signer.intermediate)
    }
    command = ["openssl", "cms", "-cmsout", "-print", "-noout", "-inform", "DER"]
    told = subprocess.run(command, input=files["signature"], capture_output=True, check=True).stdout
    assert b"eContent: <ABSENT>" in told, "it has no copy of the manifest"
    assert b"object: signingTime" in told
    assert b"algorithm: sha256" in told


def test_a_signature_is_worth_nothing_without_its_root(data: bytes, signer: Signer, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(signer.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(BadPass):
        verified(data, stranger)


@pytest.mark.parametrize("indent", ["  ", "\t"])
def test_an_indented_manifest_verifies_too(signer: Signer, root: Path, data: bytes, indent: str) -> None:
    """With line ends: signed as a text, they would be rewritten first."""
    manifest = json.dumps(opened(data).manifest, indent=indent).encode() + b"\n"
    check_signature(manifest, signer.sign(manifest), root)
    check_signature(b"\r\n" + manifest, signer.sign(b"\r\n" + manifest), root)


def test_whatever_is_changed_is_noticed(data: bytes, root: Path) -> None:
    files = opened(data).files
    for name in files:
        changed = {**files, name: files[name][:-1] + bytes([files[name][-1] ^ 1])}
        with pytest.raises((BadPass, ValueError)):
            verified(zipped(changed), root)
    # One who changes a file, and the manifest with it, has no key to sign that.
    other = files["manifest.json"].replace(b'"pass.json":"', b'"pass.json":"0')
    with pytest.raises(BadPass, match=r"digest failure|verification failure|verify error"):
        check_signature(other, files["signature"], root)
    with pytest.raises(BadPass, match="twice"), pytest.warns(UserWarning, match="Duplicate"):
        opened(zipped(files, more=("pass.json", b"{}")))
    with pytest.raises(BadPass, match="other files"):
        opened(zipped({**files, "more.png": b""}))
    with pytest.raises(BadPass, match="other files"):
        opened(zipped({name: content for name, content in files.items() if name != "strip.png"}))


def zipped(files: dict[str, bytes], more: tuple[str, bytes] | None = None) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in (*files.items(), *((more,) if more else ())):
            archive.writestr(name, content)
    return out.getvalue()


# -- the ZIP --------------------------------------------------------------------------------------------------------


def test_every_reader_finds_the_same_files(data: bytes, tmp_path: Path) -> None:
    manifest = opened(data).manifest
    told = subprocess.run([node(), FOLDER / "unzip.mjs"], input=data, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr.decode()
    seen = json.loads(told.stdout)
    assert {name: sha1 for name, sha1 in seen.items() if name not in ("manifest.json", "signature")} == manifest
    assert list(seen) == list(opened(data).files)
    if shutil.which("unzip"):
        path = tmp_path / "a.pkpass"
        path.write_bytes(data)
        tested = subprocess.run(["unzip", "-t", path], capture_output=True, text=True, check=False)
        assert (tested.returncode, "No errors detected" in tested.stdout) == (0, True), tested.stdout + tested.stderr


def test_what_is_in_it(data: bytes) -> None:
    names = set(opened(data).files)
    tables = {f"{locale}.lproj/pass.strings" for locale in ("en", "zh-Hans", "zh-Hant")}
    assert names == {*SIZES, *tables, "pass.json", "manifest.json", "signature"}


def test_images_have_their_sizes_and_the_colours_of_the_tier(factory: PassFactory) -> None:
    faces = {}
    for version, (tier, qualifying) in enumerate(TIERS.items(), start=1):
        who = snapshot(version=version, qualifying=qualifying)
        files = opened(factory.build(who, PUBLISHED, TOKEN, NOW).data).files
        images = {name: content for name, content in files.items() if name.endswith(".png")}
        assert {name: Image.open(BytesIO(content)).size for name, content in images.items()} == SIZES
        assert all(content.startswith(b"\x89PNG\r\n\x1a\n") for content in images.values())
        faces[tier] = images
    for name in SIZES:
        assert len({images[name] for images in faces.values()}) == len(TIERS), f"{name} is the same for two tiers"


# -- the same bytes -------------------------------------------------------------------------------------------------


def without_signature(data: bytes) -> list[bytes]:
    """The raw bytes that are not the signature's: what precedes its file, and the directory's other entries."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        infos = archive.infolist()
        signature = archive.getinfo("signature")
        start = archive.start_dir
    assert infos[-1] is signature, "nothing follows the signature"
    last = 46 + len("signature")
    return [data[: signature.header_offset], data[start : len(data) - 22 - last]]


def test_the_same_contents_are_the_same_bytes_but_for_the_signature(
    signer: Signer, data: bytes, tmp_path: Path
) -> None:
    again = PassFactory(signer, SERVICE).build(snapshot(), PUBLISHED, TOKEN, NOW).data
    assert without_signature(again) == without_signature(data)
    # By another's key: then the signature surely differs, and it alone.
    other = load_signer(Providers(), tmp_path, datetime.now(UTC))
    theirs = PassFactory(other, SERVICE).build(snapshot(), PUBLISHED, TOKEN, NOW).data
    assert without_signature(theirs) == without_signature(data)
    mine, others = opened(data).files, opened(theirs).files
    assert [name for name in mine if mine[name] != others[name]] == ["signature"]
    # No file has a time of its own.
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_another_process_makes_the_same_bytes(data: bytes, chain_dir: Path) -> None:
    script = (
        "import hashlib, sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from core.providers import Providers; from wallet_passes.apple.factory import PassFactory\n"
        "from wallet_passes.apple.certificates import load_signer\n"
        "from tests.surfaces.samples import NOW, PUBLISHED, snapshot\n"
        "signer = load_signer(Providers(), Path(sys.argv[1]), datetime.now(UTC))\n"
        "data = PassFactory(signer, sys.argv[2]).build(snapshot(), PUBLISHED, sys.argv[3], NOW).data\n"
        "sys.stdout.buffer.write(data)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, str(chain_dir), SERVICE, TOKEN]
    other = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    assert without_signature(other) == without_signature(data)


def test_the_parts_are_laid_out_as_the_format_says(data: bytes) -> None:
    """Deflated where that is smaller, else stored; names marked as UTF-8; no extra fields, no comments."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for info in archive.infolist():
            assert (info.flag_bits, info.extra, info.comment) == (0x0800, b"", b""), info.filename
            assert info.compress_size <= info.file_size, info.filename
            assert struct.unpack_from("<H", data, info.header_offset + 28)[0] == 0, info.filename


# -- what is kept ---------------------------------------------------------------------------------------------------


class Counted(PassFactory):
    """Counts what it had to make."""

    def __init__(self, signer: Signer) -> None:
        super().__init__(signer, SERVICE)
        self.made = 0

    def _made(self, *args, **more):  # type: ignore[no-untyped-def]
        self.made += 1
        return super()._made(*args, **more)


def with_profile(who: Snapshot, **changed: str) -> Snapshot:
    return msgspec.structs.replace(who, profile=msgspec.structs.replace(who.profile, **changed))


DUE = NOW + timedelta(days=1)
ONE = snapshot(expires_at=DUE)
LATER = msgspec.structs.replace(ONE, recorded_at=NOW + timedelta(seconds=1))
CHANGED: dict[str, tuple[Snapshot, Published, str, datetime]] = {
    "version": (msgspec.structs.replace(ONE, version=319), PUBLISHED, TOKEN, NOW),
    "recorded": (LATER, PUBLISHED, TOKEN, NOW + timedelta(seconds=1)),
    "member": (msgspec.structs.replace(ONE, member=43), PUBLISHED, TOKEN, NOW),
    "name": (with_profile(ONE, display_name="Ada Lovelace"), PUBLISHED, TOKEN, NOW),
    "locale": (with_profile(ONE, locale="zh-Hant"), PUBLISHED, TOKEN, NOW),
    "code": (with_profile(ONE, code="071432981182"), PUBLISHED, TOKEN, NOW),
    "programme": (ONE, Published(8, PUBLISHED.programme), TOKEN, NOW),
    "token": (ONE, PUBLISHED, TOKEN[::-1], NOW),
    "expiry": (ONE, PUBLISHED, TOKEN, DUE),
    "year": (ONE, PUBLISHED, TOKEN, datetime(2027, 1, 1, tzinfo=UTC)),
}


def test_what_did_not_change_is_signed_once(signer: Signer) -> None:
    factory = Counted(signer)
    first = factory.build(ONE, PUBLISHED, TOKEN, NOW)
    almost = DUE - timedelta(microseconds=1)
    assert factory.build(snapshot(expires_at=DUE), PUBLISHED, TOKEN, almost) == first
    assert (factory.made, first.valid_until) == (1, DUE)


@pytest.mark.parametrize("what", CHANGED)
def test_whatever_changes_gives_a_new_pass(signer: Signer, what: str) -> None:
    factory = Counted(signer)
    first = factory.build(ONE, PUBLISHED, TOKEN, NOW)
    other = factory.build(*CHANGED[what])
    assert factory.made == 2
    if what not in ("programme", "recorded"):  # of which nothing is shown
        assert opened(other.data).files["pass.json"] != opened(first.data).files["pass.json"]
    fresh = PassFactory(signer, SERVICE).build(*CHANGED[what])
    assert without_signature(other.data) == without_signature(fresh.data)
    assert other.valid_until == fresh.valid_until


def test_a_pass_that_shows_another_member_keeps_its_own_serial(signer: Signer) -> None:
    factory = Counted(signer)
    own, other = factory.build(ONE, PUBLISHED, TOKEN, NOW), factory.build(ONE, PUBLISHED, TOKEN, NOW, serial=7)
    assert factory.made == 2
    assert opened(other.data).json == {**opened(own.data).json, "serialNumber": "7"}


def test_the_clock_alone_takes_lapsed_points_off(factory: PassFactory) -> None:
    before = factory.build(ONE, PUBLISHED, TOKEN, DUE - timedelta(microseconds=1))
    after = factory.build(ONE, PUBLISHED, TOKEN, DUE)
    assert [opened(one.data).value("points") for one in (before, after)] == ["12,925", "0"]
    assert before.valid_until == DUE
    assert after.valid_until is not None
    assert after.valid_until > DUE


def test_a_bounded_number_is_kept(signer: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory_module, "KEPT", 3)
    factory = Counted(signer)
    for version in range(1, 6):
        factory.build(snapshot(version=version), PUBLISHED, TOKEN, NOW)
        assert len(factory._kept) <= 3
    for version in (5, 4, 3):
        factory.build(snapshot(version=version), PUBLISHED, TOKEN, NOW)
    assert factory.made == 5
    data = factory.build(snapshot(version=1), PUBLISHED, TOKEN, NOW).data
    assert (factory.made, opened(data).json["userInfo"]) == (6, {"version": 1})


@pytest.fixture
def restless() -> Iterator[ThreadPoolExecutor]:
    """Four threads that are interrupted wherever that may be."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            yield threads
    finally:
        sys.setswitchinterval(interval)


def test_passes_made_in_threads_are_each_members_own(
    signer: Signer, restless: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Signer, "sign", lambda self, manifest: b"unsigned")
    factory = PassFactory(signer, SERVICE)

    def shown(points: int) -> tuple[str, str]:
        who = msgspec.structs.replace(snapshot(points=points), member=points)
        found = opened(factory.build(who, PUBLISHED, TOKEN, NOW).data)
        return found.json["serialNumber"], found.value("points")

    found = list(restless.map(shown, range(1, 101)))
    assert found == [(str(points), str(points)) for points in range(1, 101)]


def test_views_drawn_beside_passes_are_each_members_own(restless: ThreadPoolExecutor) -> None:
    """A server draws passes in threads while its loop draws every other surface."""

    def wrong(points: int) -> int:
        who = snapshot(points=points)
        views = (view(who, PUBLISHED, NOW, "en") for _ in range(3_000) for view in (app.view, web.view, wallet.view))
        return sum(view.balance.points != points for view in views)

    assert list(restless.map(wrong, range(1, 5))) == [0] * 4
