"""The outside of the demo's shop: a push host, a wallet server and phones, each behind a real socket on this machine."""
