"""Delivery: from a commit to every screen, and to whatever must arrive.

The direct lane writes to this process's own sockets after COMMIT; the bus tells the other processes; the repair lane
heals what was lost; the relay empties the outbox into the durable stream.
"""
