"""The owner's page on the programme document tells every setting with its default, and its examples are read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from core.programme.document import Programme
from core.programme.validation import from_builtins, parse
from tests.core.fragments import lay

PAGE = (Path(__file__).parents[2] / "docs" / "programme.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

# The heading under which the settings of a struct stand.
SECTIONS = {
    "Programme": "The whole", "Brand": "[brand]", "Points": "[points]", "Currency": "[[currencies]]", "Earn": "[earn]",
    "Channel": "[earn.channels.<name>]", "Rule": "[[earn.rules]]", "Action": "[earn.actions.<kind>]",
    "UseLimits": "limits of an action or a campaign", "Campaign": "[[campaigns]]", "Hours": "hours of a campaign",
    "Segment": "[[segments]]", "Expiry": "Expiry: [expiry]", "Tier": "[[tiers]]", "Card": "[tiers.card]",
    "Qualification": "[qualification]", "Worth": "[worth]", "Reward": "[[rewards]]", "Prize": "prizes of a draw",
    "MemberPrice": "[[member_prices]]", "Returns": "Returns: [returns]", "Store": "[[stores]]",
    "Product": "[[products]]", "Limits": "[limits]",
}  # fmt: skip


def structs(kind: Any) -> dict[str, type[msgspec.Struct]]:
    """Every struct of the document, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        found[kind.__name__] = kind
        for field in msgspec.structs.fields(kind):
            found |= structs(field.type)
    for part in get_args(kind):
        found |= structs(part)
    return found


def section(heading: str) -> str:
    """What stands between a heading and the next."""
    parts = re.split(r"^#+ (.*)$", PAGE, flags=re.MULTILINE)
    return {name.replace("`", ""): text for name, text in zip(parts[1::2], parts[2::2], strict=True)}[heading]


def rows(heading: str) -> dict[str, str]:
    """The settings in a section's tables with their defaults, as written."""
    found: dict[str, str] = {}
    for names, default in re.findall(r"^\| (`[^|]+) \|([^|]*)\|", section(heading), re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", names), default.strip())
    return found


def written(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str):
        return f'"{default}"' if default else "none"
    return str(default) if isinstance(default, int) else "none"


@pytest.mark.parametrize("name", structs(Programme))
def test_every_setting_is_told_with_its_default(name: str) -> None:
    told = rows(SECTIONS[name])
    fields = {field.name: written(field) for field in msgspec.structs.fields(structs(Programme)[name])}
    own = {setting: default for setting, default in told.items() if default != "as below" or setting not in fields}
    assert fields.keys() <= told.keys()
    assert {setting: default for setting, default in own.items() if setting in fields} == {
        setting: default for setting, default in fields.items() if setting in own
    }
    kinds = {"goods", "experience", "voucher", "draw", "charity"} if name == "Reward" else set()
    assert told.keys() - fields.keys() == kinds, "no setting is told that there is not"


def test_every_section_is_of_a_struct() -> None:
    assert structs(Programme).keys() == SECTIONS.keys()


def test_the_examples_are_read_by_themselves_and_together() -> None:
    first, *fragments = EXAMPLES
    parse(first)
    together = tomllib.loads(first)
    for fragment in fragments:
        alone = tomllib.loads(first)
        lay(alone, tomllib.loads(fragment))
        from_builtins(alone)
        lay(together, tomllib.loads(fragment))
    from_builtins(together)
