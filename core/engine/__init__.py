"""The one door: commands in, decisions committed, nothing else writes a member."""
