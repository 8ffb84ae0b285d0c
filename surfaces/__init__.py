"""What each touchpoint shows: a pure function from a member's snapshot to a small view, one module a surface.

A view is the whole state of its surface in one locale: numbers for the arithmetic of an animation, and the words a
person reads. No module here does I/O or decides anything about points.
"""
