"""Purchases and what they earn; returns and what they take back."""
