"""The signed Apple and Google passes: not built yet. Until then `surfaces/wallet` gives a pass's fields as JSON."""
