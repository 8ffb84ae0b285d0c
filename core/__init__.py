"""The ledger and its rules: every change to a member is decided here, and nowhere else.

Nothing in this package knows HTTP, a screen or a message channel; nothing outside it writes member tables.
"""
