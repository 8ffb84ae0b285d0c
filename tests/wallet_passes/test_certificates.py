"""The certificate that signs: from each kind of file an operator may have, our own where there is none, and one line that
names the variable for each file that will not do."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from core.errors import Unavailable
from core.providers import Providers
from core.settings import OperatorError
from tests.surfaces.samples import PUBLISHED, snapshot
from tests.wallet_passes.chains import TEAM, TYPE, Chain, a_key, chain
from tests.wallet_passes.conftest import SERVICE
from tests.wallet_passes.opening import openssl, verified
from wallet_passes.apple.certificates import DEVELOPMENT_TEAM, DEVELOPMENT_TYPE, Signer, load_signer
from wallet_passes.apple.factory import PassFactory

ROOT = Path(__file__).parents[2]
TOKEN = "token-of-thirty-two-characters-ok"
SECRET = "hush"


@pytest.fixture(scope="module")
def apples() -> Chain:
    return chain()


class Files:
    """An operator's folder, and the settings that name what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)

    def load(self, **settings: str) -> Signer:
        settings = {f"CHORUS_APPLE_{name.upper()}": value for name, value in settings.items()}
        return load_signer(Providers.from_env(settings), self.folder / "data", datetime.now(UTC))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


# -- files that will do ---------------------------------------------------------------------------------------------

GOOD: dict[str, Callable[[Files, Chain], dict[str, str]]] = {
    "PEM with all in it": lambda f, c: {"pass_certificate": f.put("a.pem", c.pem("leaf", "intermediate") + c.key_pem())},
    "PEM, its key apart, WWDR in PEM": lambda f, c: {
        "pass_certificate": f.put("a.pem", c.pem("leaf")),
        "pass_key": f.put("a.key", c.key_pem()),
        "wwdr": f.put("g4.pem", c.pem("intermediate")),
    },
    "its key encrypted, WWDR as Apple gives it": lambda f, c: {
        "pass_certificate": f.put("a.pem", c.pem("leaf")),
        "pass_key": f.put("a.key", c.key_pem(SECRET)),
        "pass_password": SECRET,
        "wwdr": f.put("AppleWWDRCAG4.cer", c.intermediate.public_bytes(Encoding.DER)),
    },
    ".p12 with its chain": lambda f, c: {"pass_certificate": f.put("a.p12", c.p12(SECRET)), "pass_password": SECRET},
    ".p12 of an old Keychain": lambda f, c: {
        "pass_certificate": f.put("a.p12", c.p12(SECRET, old=True)), "pass_password": SECRET,
    },
    ".p12 without its chain": lambda f, c: {
        "pass_certificate": f.put("a.p12", c.p12(SECRET, with_chain=False)),
        "pass_password": SECRET,
        "wwdr": f.put("g4.pem", c.pem("intermediate")),
    },
    "WWDR beside another chain": lambda f, c: {
        "pass_certificate": f.put("a.pem", c.pem("leaf", "root") + c.key_pem()),
        "wwdr": f.put("g4.pem", c.pem("intermediate")),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_pass_is_signed_with_what_an_operator_has(files: Files, apples: Chain, name: str) -> None:
    signer = files.load(**GOOD[name](files, apples))
    assert (signer.pass_type, signer.team, signer.development) == (TYPE, TEAM, False)
    built = PassFactory(signer, SERVICE).build(snapshot(), PUBLISHED, TOKEN, datetime.now(UTC))
    found = verified(built.data, apples.root_file(files.folder)).json
    assert (found["passTypeIdentifier"], found["teamIdentifier"]) == (TYPE, TEAM)
    assert not (files.folder / "data").exists(), "no chain of our own is made where there is Apple's"


# -- files that will not --------------------------------------------------------------------------------------------


@cache
def others() -> Chain:
    return chain(number=1)


@cache
def curve() -> Chain:
    return chain(key=ec.generate_private_key(ec.SECP256R1()))


BAD: dict[str, tuple[Callable[[Files, Chain], dict[str, str]], str, str]] = {
    "no password for the .p12": (
        lambda f, c: {"pass_certificate": f.put("a.p12", c.p12(SECRET))},
        "CHORUS_APPLE_PASS_PASSWORD", "cannot be opened",
    ),
    "a wrong password for the .p12": (
        lambda f, c: {"pass_certificate": f.put("a.p12", c.p12(SECRET)), "pass_password": "x"},
        "CHORUS_APPLE_PASS_PASSWORD", "cannot be opened",
    ),
    "a wrong password for the key": (
        lambda f, c: {
            "pass_certificate": f.put("a.pem", c.pem("leaf", "intermediate") + c.key_pem(SECRET)), "pass_password": "x",
        },
        "CHORUS_APPLE_PASS_PASSWORD", "cannot be opened",
    ),
    "no password for the key": (
        lambda f, c: {"pass_certificate": f.put("a.pem", c.pem("leaf", "intermediate") + c.key_pem(SECRET))},
        "CHORUS_APPLE_PASS_PASSWORD", "cannot be opened",
    ),
    "no key at all": (
        lambda f, c: {"pass_certificate": f.put("a.pem", c.pem("leaf", "intermediate"))},
        "CHORUS_APPLE_PASS_CERTIFICATE", "cannot be opened",
    ),
    "a certificate alone, as Apple gives it": (
        lambda f, c: {"pass_certificate": f.put("pass.cer", c.leaf.public_bytes(Encoding.DER))},
        "CHORUS_APPLE_PASS_CERTIFICATE", "cannot be opened",
    ),
    "nothing of the kind": (
        lambda f, c: {"pass_certificate": f.put("a.pem", b"hello")}, "CHORUS_APPLE_PASS_CERTIFICATE", "cannot be opened",
    ),
    "an empty file": (
        lambda f, c: {"pass_certificate": f.put("a.pem", b"")}, "CHORUS_APPLE_PASS_CERTIFICATE", "cannot be opened",
    ),
    "a broken PEM": (
        lambda f, c: {"pass_certificate": f.put("a.pem", c.pem("leaf")[:300])},
        "CHORUS_APPLE_PASS_CERTIFICATE", "cannot be opened",
    ),
    "another's key": (
        lambda f, c: {
            "pass_certificate": f.put("a.pem", c.pem("leaf", "intermediate")), "pass_key": f.put("b", others().key_pem()),
        },
        "CHORUS_APPLE_PASS_KEY", "has not the key of the certificate",
    ),
    "another's key in one file": (
        lambda f, c: {"pass_certificate": f.put("a.pem", c.pem("leaf", "intermediate") + others().key_pem())},
        "CHORUS_APPLE_PASS_CERTIFICATE", "has not the key of the certificate",
    ),
    "a key of another kind": (
        lambda f, c: {"pass_certificate": f.put("a.pem", curve().pem("leaf", "intermediate") + curve().key_pem())},
        "CHORUS_APPLE_PASS_CERTIFICATE", "not an RSA key",
    ),
    "no WWDR": (
        lambda f, c: {"pass_certificate": f.put("a.pem", c.pem("leaf") + c.key_pem())},
        "CHORUS_APPLE_WWDR", "intermediate",
    ),
    "another WWDR": (
        lambda f, c: {
            "pass_certificate": f.put("a.pem", c.pem("leaf", "intermediate") + c.key_pem()),
            "wwdr": f.put("g3.pem", others().pem("intermediate")),
        },
        "CHORUS_APPLE_WWDR", "intermediate",
    ),
    "a WWDR that is none": (
        lambda f, c: {
            "pass_certificate": f.put("a.pem", c.pem("leaf") + c.key_pem()), "wwdr": f.put("g4.cer", b"hello"),
        },
        "CHORUS_APPLE_WWDR", "is no certificate",
    ),
    "a certificate for something else": (
        lambda f, c: _of(f, chain(uid="com.example.app")), "CHORUS_APPLE_PASS_CERTIFICATE", "no Pass Type ID",
    ),
    "a certificate without a user id": (
        lambda f, c: _of(f, chain(uid="")), "CHORUS_APPLE_PASS_CERTIFICATE", "no Pass Type ID",
    ),
    "a certificate without a team": (
        lambda f, c: _of(f, chain(team="")), "CHORUS_APPLE_PASS_CERTIFICATE", "no Pass Type ID",
    ),
}  # fmt: skip


def _of(files: Files, one: Chain) -> dict[str, str]:
    return {"pass_certificate": files.put("a.pem", one.pem("leaf", "intermediate") + one.key_pem())}


@pytest.mark.parametrize("name", BAD)
def test_what_will_not_do_is_told_in_one_line(files: Files, apples: Chain, name: str) -> None:
    settings, variable, why = BAD[name]
    with pytest.raises(OperatorError) as told:
        files.load(**settings(files, apples))
    line = str(told.value)
    assert variable in line
    assert why in line
    assert line.startswith("CHORUS_APPLE_")
    assert len(line.splitlines()) == 1
    assert SECRET not in line.replace(str(files.folder), "")


@pytest.mark.parametrize("name", ["CHORUS_APPLE_PASS_CERTIFICATE", "CHORUS_APPLE_PASS_KEY", "CHORUS_APPLE_WWDR"])
def test_a_file_that_is_not_there_is_told_by_its_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} names no file"):
        Providers.from_env({name: "nowhere.pem"})


# -- our own --------------------------------------------------------------------------------------------------------


def test_a_chain_of_our_own_is_made_on_first_use(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "apple-development"
    now = datetime.now(UTC)
    first = load_signer(Providers(), tmp_path / "data", now)
    assert (first.pass_type, first.team, first.development) == (DEVELOPMENT_TYPE, DEVELOPMENT_TEAM, True)
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}
    assert modes == {"root.pem": "0o600", "intermediate.pem": "0o600", "pass.pem": "0o600", "pass.key": "0o600"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {0o700}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name], "no draft is left"
    told = openssl(
        *("verify", "-x509_strict", "-CAfile", folder / "root.pem"),
        *("-untrusted", folder / "intermediate.pem", folder / "pass.pem"),
    )
    assert told.returncode == 0, told.stderr.decode()
    again = load_signer(Providers(), tmp_path / "data", now + timedelta(days=400))
    assert again.certificate == first.certificate
    assert timedelta(days=3000) < first.expires_at - now < timedelta(days=4000)


def test_two_processes_that_make_one_at_once_have_the_same(tmp_path: Path) -> None:
    """Each says that it is there, and both are let go together."""
    script = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "from core.providers import Providers; from wallet_passes.apple.certificates import load_signer\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "signer = load_signer(Providers(), Path(sys.argv[1]), datetime.now(UTC))\n"
        "manifest = b'{}'; assert signer.sign(manifest); print(signer.certificate.serial_number)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    pipe = subprocess.PIPE
    both = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(2)]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    told = [one.communicate(timeout=30) for one in both]
    assert [(one.returncode, errors) for one, (_, errors) in zip(both, told, strict=True)] == [(0, "")] * 2
    assert len({out for out, _ in told}) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["apple-development"]


def test_one_that_finds_another_made_meanwhile_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, surely: the other's chain appears while this one's keys are made."""
    first = load_signer(Providers(), tmp_path, datetime.now(UTC))
    looked = iter([False])
    is_dir = Path.is_dir
    monkeypatch.setattr(
        Path, "is_dir", lambda path: next(looked, is_dir(path)) if path.name == "apple-development" else is_dir(path)
    )
    assert load_signer(Providers(), tmp_path, datetime.now(UTC)).certificate == first.certificate
    assert [path.name for path in tmp_path.iterdir()] == ["apple-development"]


@pytest.mark.parametrize("what", ["a file in its place", "a folder without its key", "a broken certificate"])
def test_a_data_folder_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "apple-development"
    if what == "a file in its place":
        folder.write_text("")
    else:
        load_signer(Providers(), tmp_path, datetime.now(UTC))
        if what == "a broken certificate":
            (folder / "pass.pem").write_text("hello")
        else:
            (folder / "pass.key").unlink()
    with pytest.raises(OperatorError, match=r"^cannot keep a development certificate in .*CHORUS_DATA_DIR") as told:
        load_signer(Providers(), tmp_path, datetime.now(UTC))
    assert len(str(told.value).splitlines()) == 1


# -- its end --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "intermediate_days"), [(60, 3650), (365, 60)], ids=["its own", "the intermediate's"])
def test_nothing_is_signed_after_the_end(files: Files, days: int, intermediate_days: int) -> None:
    """A phone takes no pass of an expired certificate; nor of one whose issuer has expired."""
    signer = files.load(**_of(files, chain(days=days, intermediate_days=intermediate_days)))
    end = signer.expires_at
    assert abs(end - datetime.now(UTC) - timedelta(days=60)) < timedelta(minutes=1)
    factory = PassFactory(signer, SERVICE)
    assert factory.build(snapshot(), PUBLISHED, TOKEN, end - timedelta(seconds=1)).data
    with pytest.raises(Unavailable) as refused:
        factory.build(snapshot(), PUBLISHED, TOKEN, end)
    assert refused.value.code == "pass_certificate_expired"
    assert "CHORUS_APPLE_PASS_CERTIFICATE" in refused.value.detail


def test_keys_of_tests_are_not_the_same() -> None:
    assert len({a_key(number).public_key().public_numbers().n for number in range(2)}) == 2
