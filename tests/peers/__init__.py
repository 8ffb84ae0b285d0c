"""Stand-ins for the outside world on real sockets: strict where the real provider is strict, and scriptable in trouble.

Each is a Node process written from its protocol, not from Chorus' client, on another stack than ours. A request that
the real provider would refuse is refused here with the provider's own words, whatever a test scripted: trouble befalls
only requests that were right.
"""
