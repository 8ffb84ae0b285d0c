"""Settings: every wrong value is one line that names its variable; a good one survives the way to a worker."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.settings import Settings, SettingsError

SECRET = "s" * 32
DATABASE = "postgresql://app:pw@db.example/chorus"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"CHORUS_PORT": "99999"}, "CHORUS_PORT is '99999': give a whole number from 0 to 65535"),
        ({"CHORUS_PORT": "http"}, "CHORUS_PORT is 'http'"),
        ({"CHORUS_PORT": "-1"}, "CHORUS_PORT is '-1'"),
        ({"CHORUS_PORT": "8٣"}, "CHORUS_PORT"),
        ({"CHORUS_LANES": "0"}, "CHORUS_LANES is '0': give a whole number from 1"),
        ({"CHORUS_WORKERS": "1.5"}, "CHORUS_WORKERS is '1.5'"),
        ({"CHORUS_DATABASE_URL": "mysql://u:hidden@h/db"}, "CHORUS_DATABASE_URL starts with mysql://"),
        ({"CHORUS_DATABASE_URL": "postgresql://u:hidden@h:port/db"}, "CHORUS_DATABASE_URL is not a URL"),
        ({"CHORUS_DATABASE_URL": "postgresql://u:hidden@h"}, "CHORUS_DATABASE_URL names no database"),
        ({"CHORUS_DATABASE_URL": "localhost"}, "CHORUS_DATABASE_URL has no scheme"),
        ({"CHORUS_OWNER_URL": DATABASE}, "CHORUS_OWNER_URL is set but CHORUS_DATABASE_URL is not"),
        ({"CHORUS_NATS_URL": "nats://a:4222,http://b"}, "CHORUS_NATS_URL starts with http://"),
        ({"CHORUS_NATS_TOKEN": "hidden"}, "CHORUS_NATS_TOKEN is set but CHORUS_NATS_URL is not"),
        ({"CHORUS_PUBLIC_URL": "ftp://shop.example"}, "CHORUS_PUBLIC_URL starts with ftp://"),
        ({"CHORUS_PUBLIC_URL": "https://shop.example/?a=b"}, "CHORUS_PUBLIC_URL must end before"),
        ({"CHORUS_SECRET": "hidden"}, "CHORUS_SECRET has 6 characters: give at least 32"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"CHORUS_SECRET": SECRET} | environ)
    line = str(caught.value)
    assert line.startswith(says)
    assert "\n" not in line
    assert "hidden" not in line


def test_with_nothing_set_it_serves_this_machine_and_runs_its_own_servers(tmp_path: Path) -> None:
    settings = Settings.from_env({"CHORUS_DATA_DIR": str(tmp_path / "data"), "CHORUS_DATABASE_URL": "  "})
    assert (settings.database_url, settings.owner_url, settings.nats_url) == (None, None, None)
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8000, "http://127.0.0.1:8000")
    assert settings.at_port(81).public_url == "http://127.0.0.1:81"


@pytest.mark.parametrize(("host", "url"), [("0.0.0.0", "http://127.0.0.1:80"), ("::1", "http://[::1]:80")])
def test_the_default_public_url_can_be_visited(host: str, url: str) -> None:
    settings = Settings.from_env({"CHORUS_SECRET": SECRET, "CHORUS_HOST": host, "CHORUS_PORT": "80"})
    assert settings.public_url == url


def test_settings_survive_the_way_through_an_environment_and_hide_their_secrets() -> None:
    settings = Settings.from_env(
        {
            "CHORUS_SECRET": SECRET,
            "CHORUS_DATABASE_URL": DATABASE,
            "CHORUS_OWNER_URL": "postgres://own:pw@db.example/chorus",
            "CHORUS_NATS_URL": "nats://a:4222,tls://b:4222",
            "CHORUS_NATS_TOKEN": "token",
            "CHORUS_PUBLIC_URL": "https://shop.example/loyalty/",
            "CHORUS_WORKERS": "3",
        }
    )
    assert settings.database_url == "postgresql+asyncpg://app:pw@db.example/chorus"
    assert settings.public_url == settings.at_port(1).public_url == "https://shop.example/loyalty"
    assert Settings.from_env(settings.to_env()) == settings
    assert all(word not in repr(settings) for word in (SECRET, "pw", "token"))


def test_the_secret_is_made_once_privately_and_shared_by_all_who_ask(tmp_path: Path) -> None:
    environ = {"CHORUS_DATA_DIR": str(tmp_path / "deep" / "data")}
    with ThreadPoolExecutor(8) as pool:
        made = {settings.secret for settings in pool.map(Settings.from_env, [environ] * 32)}
    assert len(made) == 1
    data_dir = tmp_path / "deep" / "data"
    assert [path.name for path in data_dir.iterdir()] == ["secret"]
    assert stat.S_IMODE((data_dir / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="set CHORUS_DATA_DIR to a folder this user may write"):
        Settings.from_env({"CHORUS_DATA_DIR": str(tmp_path / "file" / "data")})
