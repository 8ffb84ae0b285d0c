"""One module a provider, all with one contract: `push.channels.contract`."""
