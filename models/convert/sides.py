# SPDX-License-Identifier: Apache-2.0
"""Sides of tensors that are not numbers yet: a named side, scaled and moved, as in h/2 + 1.

A side that is divided is taken to be a multiple of the divisor; `divisors` says of which, for the model's notes.
"""

from errors import ConversionError

# Name of a side: what it must be a multiple of.
divisors = {}


class Side:
    """`name` * numerator / denominator + `offset`."""

    def __init__(self, name, numerator=1, denominator=1, offset=0):
        self.name, self.numerator, self.denominator, self.offset = name, numerator, denominator, offset

    def __eq__(self, other):
        return isinstance(other, Side) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def _key(self):
        return (self.name, self.numerator, self.denominator, self.offset)

    def __repr__(self):
        text = self.name
        if self.numerator != 1:
            text = f"{self.numerator}*{text}"
        if self.denominator != 1:
            text += f"/{self.denominator}"
        return text + (f"{self.offset:+d}" if self.offset else "")

    def __add__(self, other):
        if isinstance(other, Side):
            raise ConversionError(f"cannot add the open sides {self} and {other}")
        return Side(self.name, self.numerator, self.denominator, self.offset + int(other))

    __radd__ = __add__

    def __sub__(self, other):
        return self + -int(other)

    def __mul__(self, factor):
        factor = int(factor)
        numerator, denominator = self.numerator * factor, self.denominator
        if numerator % denominator == 0:
            numerator, denominator = numerator // denominator, 1
        elif denominator % factor == 0:
            numerator, denominator = self.numerator, denominator // factor
        return Side(self.name, numerator, denominator, self.offset * factor)

    __rmul__ = __mul__

    def __floordiv__(self, divisor):
        divisor = int(divisor)
        numerator, denominator = self.numerator, self.denominator
        if numerator % divisor == 0:
            numerator //= divisor
        else:
            denominator *= divisor
            divisors[self.name] = max(divisors.get(self.name, 1), denominator)
        return Side(self.name, numerator, denominator, self.offset // divisor)

    def ratio(self, other):
        """This side over `other`, exact, or None."""
        if not isinstance(other, Side) or self.name != other.name or self.offset or other.offset:
            return None
        return (self.numerator * other.denominator) / (self.denominator * other.numerator)


def product(sides):
    """Of the sides, as (number, sorted open sides)."""
    number, names = 1, []
    for side in sides:
        if isinstance(side, Side):
            names.append(side)
        else:
            number *= int(side)
    return number, sorted(names, key=repr)


def spatial_output(side, window, stride, pads):
    """The side after a window of the given (dilated) length."""
    return (side + pads - window) // stride + 1


def same_padding(side, window, stride):
    """(before, after) of TensorFlow's SAME padding."""
    if isinstance(side, Side):
        # A multiple of the stride, so the output is side / stride.
        side // stride
        total = max(window - stride, 0)
    else:
        total = max((-(-side // stride) - 1) * stride + window - side, 0)
    return total // 2, total - total // 2
