"""What an operator says of outside services: a wrong address is one line that names its setting and shows no secret."""

from __future__ import annotations

import pytest

from core.providers import ProviderError, Providers

URLS = {
    "CHORUS_APNS_URL": "https",
    "CHORUS_FCM_URL": "https",
    "CHORUS_GOOGLE_WALLET_URL": "https",
    "CHORUS_GOOGLE_WALLET_SAVE_URL": "https",
    "CHORUS_GOOGLE_WALLET_KEYS_URL": "https",
    "CHORUS_SMTP_URL": "smtp",
    "CHORUS_SMS_URL": "https",
}
NO_URLS = [
    "{}://h:99999",
    "{}://h:65536/path",
    "{}://h:0",
    "{}://h:-1",
    "{}://h:abc",
    "{}://h:8٣",
    "{}://user:hidden#more@h:25",
    "{}://user:hidden@[::1",
    "{}://[no address]:25",
    "{}://:25",
    "{}://",
    "{}:h",
    "ftp://h:21",
    "h:25",
]


@pytest.mark.parametrize("wrong", NO_URLS)
@pytest.mark.parametrize("name", list(URLS))
def test_an_address_that_is_none_is_one_line_that_names_its_setting(name: str, wrong: str) -> None:
    with pytest.raises(ProviderError) as caught:
        Providers.from_env({"CHORUS_MAIL_FROM": "shop@example.com", name: wrong.format(URLS[name])})
    line = str(caught.value)
    assert line.startswith(f"{name} is not a URL: give {URLS[name]}://host")
    assert "\n" not in line
    assert "hidden" not in line


@pytest.mark.parametrize("right", ["{}://h", "{}://h:", "{}://h:1", "{}://h:65535", "{}://user:p%23w@[::1]:25/path"])
@pytest.mark.parametrize("name", list(URLS))
def test_an_address_is_taken_with_a_port_or_without(name: str, right: str) -> None:
    value = right.format(URLS[name])
    found = Providers.from_env({"CHORUS_MAIL_FROM": "shop@example.com", name: value})
    assert found.to_env()[name] == value
