"""KDE's reader shows our pass: each field in each language, its colours, its barcode, its pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.providers import Providers
from surfaces import wallet
from surfaces.views import LOCALES, Locale, PassField
from tests.peers.kde import install
from tests.peers.kde.install import Absent
from tests.surfaces.samples import CODE, NOW, PUBLISHED, snapshot
from wallet_passes.apple.certificates import DEVELOPMENT_TYPE, load_signer
from wallet_passes.apple.factory import PassFactory

TOKEN = "token-of-thirty-two-characters-ok"
SERVICE = "https://wallet.example.com/apple"
KDES: dict[Locale, str] = {"en": "en_GB", "zh-Hans": "zh_CN", "zh-Hant": "zh_TW"}
PARTS = ("header", "primary", "secondary", "auxiliary", "back")


@pytest.fixture(scope="module")
def factory(tmp_path_factory: pytest.TempPathFactory) -> PassFactory:
    signer = load_signer(Providers(), tmp_path_factory.mktemp("kde"), datetime.now(UTC))
    return PassFactory(signer, SERVICE)


def read(path: Path, language: Locale) -> subprocess.CompletedProcess[bytes]:
    try:
        program = install.reader()
    except Absent as reason:
        pytest.skip(f"KDE's reader of passes: {reason}")
    return subprocess.run([program, path, KDES[language]], capture_output=True, check=False, timeout=30)


def for_kde(data: bytes, language: Locale) -> bytes:
    """The pass with the one table that a phone in `language` takes. KDE knows a language by the first part of its name
    only: it would look for Chinese in `zh.lproj`."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as given, zipfile.ZipFile(out, "w") as copy:
        for name in given.namelist():
            folder, _, file = name.rpartition("/")
            if not folder:
                copy.writestr(name, given.read(name))
            elif folder == f"{language}.lproj":
                copy.writestr(f"{language[:2]}.lproj/{file}", given.read(name))
    return out.getvalue()


def as_kde_has_it(field: PassField) -> dict[str, str]:
    """With the value in the change message, as a notification would show it."""
    return {**msgspec.to_builtins(field), "change_message": field.change_message.replace("%@", field.value)}


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("own", LOCALES)
def test_kde_shows_each_language(factory: PassFactory, tmp_path: Path, own: Locale, language: Locale) -> None:
    who = snapshot(name='Ada "Countess" \\ Lovelace')
    who = msgspec.structs.replace(who, profile=msgspec.structs.replace(who.profile, locale=own))
    path = tmp_path / "a.pkpass"
    path.write_bytes(for_kde(factory.build(who, PUBLISHED, TOKEN, NOW).data, language))
    told = read(path, language)
    assert told.returncode == 0, told.stderr.decode()
    found: dict[str, Any] = json.loads(told.stdout)
    view = wallet.view(who, PUBLISHED, NOW, language)
    for part in PARTS:
        assert found[part] == [as_kde_has_it(field) for field in getattr(view, part)], part
    assert found["logo_text"] == view.brand


def test_kde_sees_the_card(factory: PassFactory, tmp_path: Path) -> None:
    path = tmp_path / "a.pkpass"
    path.write_bytes(factory.build(snapshot(qualifying=30_000), PUBLISHED, TOKEN, NOW).data)
    found = json.loads(read(path, "en").stdout)
    assert (found["type"], found["pass_type"], found["serial"]) == ("StoreCard", DEVELOPMENT_TYPE, "42")
    assert (found["token"], found["service"]) == (TOKEN, SERVICE)
    assert found["barcodes"] == [{"format": "QR", "message": CODE, "encoding": "iso-8859-1", "text": "0714 3298 1174"}]
    assert found["colours"] == ["#e1b761", "#2e1a07", "#4f3514"]
    assert found["icon"] == [[29, 29], [58, 58], [87, 87]]
    assert found["logo"] == [[36, 50], [72, 100], [108, 150]]
    assert found["strip"] == [[375, 123], [750, 246], [1125, 369]]


def test_kde_refuses_what_is_no_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.pkpass"
    path.write_bytes(b"PK\3\4 nothing")
    assert read(path, "en").returncode == 1


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is built yet."""
    for name in ("STAMP", "ABSENT", "PROGRAM"):
        monkeypatch.setattr(install, name, tmp_path / name)
    monkeypatch.setattr(install, "BUILD", tmp_path)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("final", [True, False])
def test_a_machine_without_it_says_so_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, final: bool
) -> None:
    asked = []

    def nowhere() -> None:
        asked.append(1)
        raise Absent("this system offers none", final=final)

    monkeypatch.setattr(install, "_get", nowhere)
    for _ in range(2):
        assert install.main() == 0
        line = "KDE's reader of passes is not here, its test is skipped: this system offers none\n"
        assert capsys.readouterr().out == line
        with pytest.raises(Absent, match=r"^this system offers none$"):
            install.reader()
    assert len(asked) == (1 if final else 2)


@pytest.mark.usefixtures("elsewhere")
def test_one_that_cannot_be_built_is_not_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no compiler")
    source = tmp_path / "reader.cpp"
    source.write_text("int main() { return nothing; }")
    monkeypatch.setattr(install, "SOURCE", source)
    monkeypatch.setattr(install, "_get", lambda: None)
    assert install.main() == 0
    out = capsys.readouterr().out
    assert out.startswith("KDE's reader of passes is not here, its test is skipped: it cannot be built: ")
    assert len(out.splitlines()) == 1
