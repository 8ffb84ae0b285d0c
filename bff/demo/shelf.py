"""What the demo's shop sells at its till and in its web shop: kinds of record, not titles, for the log names none."""

from __future__ import annotations

from surfaces.shop_pages import Article


def _article(sku: str, category: str, amount: int, en: str, hant: str, hans: str) -> Article:
    return Article(sku=sku, name={"en": en, "zh-Hant": hant, "zh-Hans": hans}, category=category, amount=amount)


SHELF = (
    _article("CD-JAZZ", "jazz", 1_290, "Jazz CD", "爵士 CD", "爵士 CD"),
    _article("CD-SOUL", "soul", 1_190, "Soul CD", "靈魂樂 CD", "灵魂乐 CD"),
    _article("CD-CLASSIC", "classical", 1_450, "Classical CD", "古典 CD", "古典 CD"),
    _article("LP", "vinyl", 2_890, "Vinyl LP", "黑膠唱片", "黑胶唱片"),
    _article("BOX", "box", 5_990, "Box set", "套裝", "套装"),
    _article("SLEEVES", "care", 890, "Record sleeves, 25", "唱片套，25 個", "唱片套，25 个"),
)
