"""Delivery: what must reach somebody outside once a fact is committed; who plans it and who carries it lies elsewhere."""
