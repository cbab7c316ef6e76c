"""What counts as a number in a configuration; stricter than JSON Schema, which takes 5.0 for a whole number."""

import math
from typing import TypeGuard


def is_integer(value: object) -> TypeGuard[int]:
    """A whole number, written as one."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """A whole number or a finite one with a point."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))
