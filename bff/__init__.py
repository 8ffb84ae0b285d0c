"""The edge: one module a surface, sign-in, errors, the composition root and the command line.

Only this package knows HTTP. It holds no rule of the programme: it decodes, asks the door or a snapshot, and encodes.
"""
