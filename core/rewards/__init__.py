"""Rewards: points held, captured, or given back."""
