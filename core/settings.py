"""What an operator can set, read once from the environment.

Every value is checked here, so that a wrong one stops the start with one line that names the variable, not a
stack trace an hour later. Nothing else of Chorus reads the environment for configuration; a worker gets the
parent's settings by `to_env` and reads them by the same `from_env`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from core.files import read_or_create_private
from core.providers import ProviderError, Providers

DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
NATS_SCHEMES = ("nats", "tls")
WEB_SCHEMES = ("http", "https")

# A process gathers commands into lanes to share an fsync; beyond this, lanes only split the batches.
MAX_LANES = 64
# Each worker is a whole process with its own connections; PostgreSQL is started with 200.
MAX_WORKERS = 64
# 16 bytes in hex: below that a signing key can be guessed.
MIN_SECRET_LENGTH = 32


class OperatorError(Exception):
    """What the operator must put right; its text is one line that says what to do, and is shown without a
    trace.
    """


class SettingsError(OperatorError):
    """A variable of the environment cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """URLs are None where Chorus runs its own server; `repr` shows no secret, nor a URL that may hold one.

    `database_url` and `owner_url` are in SQLAlchemy's form (`postgresql+asyncpg://`); the owner migrates, the
    application's role is not its equal. `nats_url` may list several servers, separated by commas.
    """

    data_dir: Path
    secret: str = field(repr=False)
    database_url: str | None = field(default=None, repr=False)
    owner_url: str | None = field(default=None, repr=False)
    nats_url: str | None = field(default=None, repr=False)
    nats_token: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = "http://127.0.0.1:8000"
    lanes: int = 2
    workers: int = 1
    providers: Providers = field(default_factory=Providers)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Settings of `environ`; a variable set to nothing counts as absent.

        Without `CHORUS_SECRET`, makes the data folder and keeps a random secret in it, so that sessions
        survive a restart. `CHORUS_PORT` 0 means any free port. Raises `SettingsError`.
        """
        given = {name: value.strip() for name, value in environ.items() if value.strip()}
        database_url = _database_url(given, "CHORUS_DATABASE_URL")
        owner_url = _database_url(given, "CHORUS_OWNER_URL")
        if owner_url is not None and database_url is None:
            raise SettingsError("CHORUS_OWNER_URL is set but CHORUS_DATABASE_URL is not: set both, or neither")
        nats_url = given.get("CHORUS_NATS_URL")
        for one in nats_url.split(",") if nats_url else ():
            _checked_url("CHORUS_NATS_URL", one.strip(), NATS_SCHEMES)
        nats_token = given.get("CHORUS_NATS_TOKEN")
        if nats_token is not None and nats_url is None:
            raise SettingsError("CHORUS_NATS_TOKEN is set but CHORUS_NATS_URL is not: set both, or neither")
        host = given.get("CHORUS_HOST", "127.0.0.1")
        port = _number(given, "CHORUS_PORT", 8000, 0, 65535)
        public_url = given.get("CHORUS_PUBLIC_URL", default_public_url(host, port))
        parts = _checked_url("CHORUS_PUBLIC_URL", public_url, WEB_SCHEMES)
        if parts.query or parts.fragment:
            raise SettingsError("CHORUS_PUBLIC_URL must end before any ? or #: links are built by appending to it")
        try:
            providers = Providers.from_env(given)
        except ProviderError as error:
            raise SettingsError(str(error)) from None
        data_dir = Path(given.get("CHORUS_DATA_DIR", ".chorus/data")).expanduser().absolute()
        return cls(
            data_dir=data_dir,
            database_url=database_url,
            owner_url=owner_url or database_url,
            nats_url=nats_url,
            nats_token=nats_token,
            host=host,
            port=port,
            public_url=public_url.rstrip("/"),
            lanes=_number(given, "CHORUS_LANES", 2, 1, MAX_LANES),
            workers=_number(given, "CHORUS_WORKERS", 1, 1, MAX_WORKERS),
            providers=providers,
            secret=_secret(given, data_dir),  # last: it is the only one that may write
        )

    def at_port(self, port: int) -> Settings:
        """The same with the port that was really bound; a public URL that was only the default follows it."""
        if self.public_url == default_public_url(self.host, self.port):
            return replace(self, port=port, public_url=default_public_url(self.host, port))
        return replace(self, port=port)

    def to_env(self) -> dict[str, str]:
        """Variables from which `from_env` reads equal settings in a child process."""
        values = self.providers.to_env() | {
            "CHORUS_DATA_DIR": str(self.data_dir),
            "CHORUS_SECRET": self.secret,
            "CHORUS_DATABASE_URL": self.database_url,
            "CHORUS_OWNER_URL": self.owner_url,
            "CHORUS_NATS_URL": self.nats_url,
            "CHORUS_NATS_TOKEN": self.nats_token,
            "CHORUS_HOST": self.host,
            "CHORUS_PORT": str(self.port),
            "CHORUS_PUBLIC_URL": self.public_url,
            "CHORUS_LANES": str(self.lanes),
            "CHORUS_WORKERS": str(self.workers),
        }
        return {name: value for name, value in values.items() if value is not None}


def default_public_url(host: str, port: int) -> str:
    """Where a browser on this machine reaches `host`; an address that means "every interface" is not one to
    visit.
    """
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
    if ":" in reachable and not reachable.startswith("["):
        reachable = f"[{reachable}]"
    return f"http://{reachable}:{port}"


def _number(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise SettingsError(f"{name} is {text!r}: give a whole number from {low} to {high}")
    return int(text)


def _checked_url(name: str, url: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of `url`. Errors never repeat it: it may hold a password."""
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        parts = urlsplit(url)
        _ = parts.port  # reading it is what checks it
    except ValueError as error:
        raise SettingsError(f"{name} is not a URL ({error}): give one that starts with {wanted}") from None
    if parts.scheme not in schemes:
        found = f"starts with {parts.scheme}://" if "://" in url else "has no scheme"
        raise SettingsError(f"{name} {found}: give a URL that starts with {wanted}")
    return parts


def _database_url(given: Mapping[str, str], name: str) -> str | None:
    url = given.get(name)
    if url is None:
        return None
    parts = _checked_url(name, url, DATABASE_SCHEMES)
    if not parts.path.strip("/"):
        raise SettingsError(f"{name} names no database: end it with /name")
    return "postgresql+asyncpg" + url[len(parts.scheme) :]


def _secret(given: Mapping[str, str], data_dir: Path) -> str:
    secret = given.get("CHORUS_SECRET")
    if secret is None:
        path = data_dir / "secret"
        try:
            make_data_dir(data_dir)
            secret = read_or_create_private(path, lambda: secrets.token_hex(32)).strip()
        except OSError as error:
            raise SettingsError(
                f"cannot keep a secret at {path} ({error.strerror}): set CHORUS_DATA_DIR to a folder this user may"
                " write, or set CHORUS_SECRET"
            ) from None
        if len(secret) < MIN_SECRET_LENGTH:
            raise SettingsError(f"{path} holds no usable secret: remove it, or set CHORUS_SECRET")
    if len(secret) < MIN_SECRET_LENGTH:
        raise SettingsError(
            f"CHORUS_SECRET has {len(secret)} characters: give at least {MIN_SECRET_LENGTH}, such as the output of"
            " `openssl rand -hex 32`"
        )
    return secret


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, closed to other users, unless it is there. Raises `OSError`."""
    if not data_dir.is_dir():
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        data_dir.mkdir(mode=0o700, exist_ok=True)
