"""Outside services, as an operator sets them: wallets, push providers, mail and short messages.

A provider whose settings are absent is off, except for Apple passes and Web Push, which need nobody's permission to be
tried: they run on keys of Chorus' own until real ones are set. Secrets stay in files named here; only a gateway's
address may hold one, and no `repr` shows it. Addresses have the providers' own as defaults, so that a simulator is named
by the same setting as a provider's second host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import urlsplit

APNS_URL = "https://api.push.apple.com"
FCM_URL = "https://fcm.googleapis.com"
GOOGLE_WALLET_URL = "https://walletobjects.googleapis.com"
GOOGLE_SAVE_URL = "https://pay.google.com/gp/v/save"
GOOGLE_KEYS_URL = "https://pay.google.com/gp/m/issuer/keys"
WEBPUSH_HOSTS = (
    "fcm.googleapis.com,updates.push.services.mozilla.com,push.services.mozilla.com,web.push.apple.com,"
    "notify.windows.com"
)


class ProviderError(ValueError):
    """A setting cannot be used; the text is one line that names it."""


@dataclass(frozen=True, slots=True)
class Providers:
    """Each field is the variable `CHORUS_` plus its name in capitals; empty means not set."""

    apple_pass_certificate: str = ""
    """PEM or .p12 file of the Pass Type ID certificate; its key is in it, or in `apple_pass_key`."""
    apple_pass_key: str = ""
    apple_pass_password: str = field(default="", repr=False)
    apple_wwdr: str = ""
    """Apple's intermediate (WWDR G4), PEM or DER, unless the .p12 brings it."""
    apns_key: str = ""
    """The .p8 file of an APNs key; passes and apps of its team are pushed with it."""
    apns_key_id: str = ""
    apns_team_id: str = ""
    apns_url: str = APNS_URL
    apns_ca: str = ""
    """PEM file of who signs the certificate of `apns_url`, where that is not Apple's host."""
    fcm_credentials: str = ""
    """JSON file of a service account."""
    fcm_url: str = FCM_URL
    google_wallet_credentials: str = ""
    google_wallet_issuer: str = ""
    google_wallet_url: str = GOOGLE_WALLET_URL
    google_wallet_save_url: str = GOOGLE_SAVE_URL
    google_wallet_keys_url: str = GOOGLE_KEYS_URL
    google_wallet_per_second: str = "20"
    """Requests a second to Google Wallet, by all workers together."""
    webpush_key: str = ""
    """PEM file of the VAPID key; made in the data folder where it is not set."""
    webpush_contact: str = ""
    """`mailto:` or `https:` of whoever runs this, for the browsers' push services."""
    webpush_hosts: str = WEBPUSH_HOSTS
    """Hosts that a browser's endpoint may have, or lie under; one with a port is that very address."""
    smtp_url: str = field(default="", repr=False)
    """`smtp://user:password@host:587` (STARTTLS; without a user, where offered), or `smtps://`."""
    mail_from: str = ""
    sms_url: str = field(default="", repr=False)
    sms_body: str = '{"to": "{to}", "text": "{text}"}'
    """What is sent to the gateway, as JSON, or as a form where it does not begin with a brace."""
    sms_header: str = field(default="", repr=False)
    """One header for the gateway: `Authorization: Bearer ...`."""

    @classmethod
    def from_env(cls, given: Mapping[str, str]) -> Providers:
        """Raises `ProviderError`."""
        found = cls(**{one.name: given[name] for one in fields(cls) if (name := f"CHORUS_{one.name.upper()}") in given})
        found._check()
        return found

    def to_env(self) -> dict[str, str]:
        values = {f"CHORUS_{one.name.upper()}": str(getattr(self, one.name)) for one in fields(self)}
        return {name: value for name, value in values.items() if value}

    def _check(self) -> None:
        for name in ("apple_pass_certificate", "apple_pass_key", "apple_wwdr", "apns_key", "apns_ca", "fcm_credentials",
                     "google_wallet_credentials", "webpush_key"):  # fmt: skip
            path = getattr(self, name)
            if path and not Path(path).is_file():
                raise ProviderError(f"CHORUS_{name.upper()} names no file: {path}")
        for name, schemes in _URLS.items():
            value = getattr(self, name)
            if value and not _is_url(value, schemes):
                wanted = " or ".join(f"{scheme}://host" for scheme in schemes)
                raise ProviderError(
                    f"CHORUS_{name.upper()} is not a URL: give {wanted}, with a port from 1 to 65535 if any"
                )
        for needs, all_of in _TOGETHER:
            missing = [name for name in all_of if not getattr(self, name)]
            if getattr(self, needs) and missing:
                raise ProviderError(f"CHORUS_{needs.upper()} is set but CHORUS_{missing[0].upper()} is not")
        rate = self.google_wallet_per_second
        if not (rate.isascii() and rate.isdigit() and 1 <= int(rate) <= 10_000):
            raise ProviderError(f"CHORUS_GOOGLE_WALLET_PER_SECOND is {rate!r}: give a whole number from 1 to 10000")
        if self.webpush_contact and not self.webpush_contact.startswith(("mailto:", "https://")):
            raise ProviderError("CHORUS_WEBPUSH_CONTACT must start with mailto: or https://")
        if self.sms_url and ("{to}" not in self.sms_body or "{text}" not in self.sms_body):
            raise ProviderError("CHORUS_SMS_BODY must contain {to} and {text}")
        if self.sms_header and ":" not in self.sms_header:
            raise ProviderError("CHORUS_SMS_HEADER must be `Name: value`")


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


_WEB = ("https", "http")
_URLS = {
    "apns_url": _WEB,
    "fcm_url": _WEB,
    "google_wallet_url": _WEB,
    "google_wallet_save_url": _WEB,
    "google_wallet_keys_url": _WEB,
    "smtp_url": ("smtp", "smtps"),
    "sms_url": _WEB,
}
_TOGETHER = (
    ("apns_key", ("apns_key_id", "apns_team_id")),
    ("google_wallet_credentials", ("google_wallet_issuer",)),
    ("smtp_url", ("mail_from",)),
)
