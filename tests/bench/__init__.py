"""`make bench`: Chorus measured against the limits of the machine it runs on, in one run, side by side.

It is a benchmark, never a timed test: nothing here is collected by pytest. Every figure is a ratio to a peer that was
measured in turn with it; every run ends with a proof that what was fast was also right.
"""
