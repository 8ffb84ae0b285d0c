"""Tiers: half-open bands of qualifying points."""
