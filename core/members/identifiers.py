"""Identifiers: what recognises a member, in one spelling each.

An identifier is `(kind, value)` with the value normalised, so that two spellings of one address or phone are one
identifier, and the database's unique key is the whole truth about who owns it.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import Literal, get_args

import msgspec
import phonenumbers

from core.errors import InvalidInput

Kind = Literal["code", "email", "phone", "card", "voucher"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.][^@\s]*\.[^@\s.]{2,63}")
_CARD = re.compile(r"[A-Za-z0-9]{4,40}")
_CODE_DIGITS = 12
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is read as another."""
_LOOKALIKES = str.maketrans("OIL", "011")
_VOUCHER_LETTERS = 12
"""60 bits: nobody finds one by trying, and staff can still type it."""


class Identifier(msgspec.Struct, frozen=True):
    kind: Kind
    value: str


def normalise(identifier: Identifier, pointer: str) -> Identifier:
    """The one spelling of `identifier`. Raises `InvalidInput` at `pointer` + `/value`.

    code: twelve digits of which the last is a Luhn check; email: NFC, lower case (the local part too: no mail service
    in use tells them apart); phone: E.164, must be given with its country code; card: letters and digits, upper case;
    voucher: the code of a voucher, which finds the member it was given to.
    """
    raw = unicodedata.normalize("NFKC", identifier.value).strip()
    if not raw.isprintable():
        raise InvalidInput.at(f"{pointer}/value", "has a character that cannot be printed")
    try:
        value = _NORMALISERS[identifier.kind](raw)
    except ValueError as error:
        raise InvalidInput.at(f"{pointer}/value", str(error)) from None
    return Identifier(identifier.kind, value)


def _code(raw: str) -> str:
    digits = raw.replace(" ", "").replace("-", "")
    if len(digits) != _CODE_DIGITS or not digits.isascii() or not digits.isdigit() or _luhn(digits) != 0:
        raise ValueError("not a member code: twelve digits whose last one checks the others")
    return digits


def _email(raw: str) -> str:
    if len(raw) > 254 or not _EMAIL.fullmatch(raw):
        raise ValueError("not an email address")
    return raw.lower()


def _phone(raw: str) -> str:
    try:
        number = phonenumbers.parse(raw, None)
    except phonenumbers.NumberParseException:
        raise ValueError("not a phone number in E.164 form (+ and the country code first)") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("not a possible phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _card(raw: str) -> str:
    compact = raw.replace(" ", "").replace("-", "")
    if not _CARD.fullmatch(compact):
        raise ValueError("not a card number: 4 to 40 letters and digits")
    return compact.upper()


def _voucher(raw: str) -> str:
    compact = raw.replace(" ", "").replace("-", "").upper().translate(_LOOKALIKES)
    if len(compact) != _VOUCHER_LETTERS or any(letter not in _ALPHABET for letter in compact):
        raise ValueError(f"not a voucher code: {_VOUCHER_LETTERS} letters and digits")
    return compact


_NORMALISERS = {"code": _code, "email": _email, "phone": _phone, "card": _card, "voucher": _voucher}


def new_code() -> str:
    """A member code nobody can guess from another: eleven random digits and their check."""
    body = f"{secrets.randbelow(10 ** (_CODE_DIGITS - 1)):0{_CODE_DIGITS - 1}d}"
    return body + str((10 - _luhn(body + "0")) % 10)


def new_voucher_code() -> str:
    """A voucher code nobody can guess."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_VOUCHER_LETTERS))


def _luhn(digits: str) -> int:
    total = 0
    for i, char in enumerate(reversed(digits)):
        digit = int(char) * (1 + i % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10
