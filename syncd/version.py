"""The version of syncd, stated once."""

__version__ = "0.1.0"
