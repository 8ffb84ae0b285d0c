"""The demo: a real record shop's purchases, replayed through the till's own HTTP API."""
