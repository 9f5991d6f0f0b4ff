# SPDX-License-Identifier: Apache-2.0
"""The one error of the converters."""


class ConversionError(Exception):
    """The input is not what the converter expects. The text is one line: what is wrong, and where."""
