"""Warm worker processes: hand a plan over, relay its events, stop it in four steps."""
