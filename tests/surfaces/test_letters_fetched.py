"""The letters fetched ahead: all that a page in Chinese may come to say, and no others."""

from __future__ import annotations

from core.programme.validation import default_document, parse
from surfaces.letters import letters
from surfaces.wording import words

PROGRAMME = parse(default_document())


def han(text: str) -> set[str]:
    return {letter for letter in text if letter >= "\u3000"}


def test_they_are_those_of_the_wording_and_of_the_programme_in_one_language() -> None:
    for locale, other in (("zh-Hant", "zh-Hans"), ("zh-Hans", "zh-Hant")):
        found = letters(PROGRAMME, locale)
        assert list(found) == sorted(set(found))
        named = [tier.name[locale] for tier in PROGRAMME.tiers] + [store.name[locale] for store in PROGRAMME.stores]
        named += [reward.name[locale] for reward in PROGRAMME.rewards] + [
            product.one[locale] for product in PROGRAMME.products
        ]
        told = "".join([*named, words(locale)("live.said_lost"), words(locale)("activity.expired")])
        assert han(told)
        assert han(told) <= set(found)
        assert not {"点", "點"} <= set(found), f"{other} is fetched for {locale}"
    assert {"—", "，"} <= set(letters(PROGRAMME, "zh-Hans"))


def test_an_alphabet_needs_none() -> None:
    assert letters(PROGRAMME, "en") == ""
