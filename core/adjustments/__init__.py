"""Points given or taken by hand, always with a reason."""
