# SPDX-License-Identifier: Apache-2.0
"""Which rows of the table say that a model is wrongly in bfloat16, and what they look like."""

import pytest

import precision_table

ROW = {"model": "m", "metric": "F1", "unit": "faces", "count": 7, "value": 0.81234}


@pytest.mark.parametrize(
    ("half", "bf16", "wrong"),
    [
        (True, {"loss": 0.01, "detail": "", "speed": 2}, False),
        (True, {"loss": 0.0101, "detail": "", "speed": 2}, True),
        (True, {"loss": -0.05, "detail": "", "speed": 2}, False),
        (True, {"failure": "no numbers"}, True),
        (False, {"loss": 0.5, "detail": "", "speed": 2}, False),
        (False, {"failure": "no numbers"}, False),
    ],
)
def test_a_model_in_bfloat16_must_not_lose_too_much_or_fail(half, bf16, wrong):
    assert ("wrongly" in precision_table.line({**ROW, "results": {"bf16": bf16}}, half)) is wrong


def test_a_row_names_the_metric_gains_and_failures():
    gain = {"loss": -0.0123, "detail": "with float32 0.98", "speed": 1.5}
    assert precision_table.line({**ROW, "results": {"bf16": gain, "int8": {"failure": "no numbers"}}}, False) == (
        "| m | F1, 7 faces: 0.812 | -1.23% (with float32 0.98) | 1.50x | fails: no numbers |  | float32 |"
    )
    small = {"loss": 0.002, "detail": "", "speed": 1.5}
    assert precision_table.line({**ROW, "value": None, "results": {"bf16": small}}, False) == (
        "| m | F1, 7 faces | 0.20% | 1.50x |  |  | float32 |"
    )
