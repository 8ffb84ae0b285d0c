"""Apple Wallet passes: built, signed, given out, kept up to date by Apple's web service protocol."""
