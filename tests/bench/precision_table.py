# SPDX-License-Identifier: Apache-2.0
"""The table of what models lose and gain in other precisions, of the rows that precision.py prints."""

MOST_LOST = 0.01


def cells(result):
    """The share that is lost in percent, with what else is known of it; and the time."""
    if result is None:
        return " | "
    if "failure" in result:
        return f"fails: {result['failure']} | "
    detail = f" ({result['detail']})" if result["detail"] else ""
    return f"{100 * result['loss']:.2f}%{detail} | {result['speed']:.2f}x"


def line(row, half):
    """A model in float32 may be there for other reasons; one in bfloat16 must neither fail nor lose too much."""
    narrow = row["results"]["bf16"]
    wrong = half and ("failure" in narrow or narrow["loss"] > MOST_LOST or row["count"] == 0)
    value = "" if row["value"] is None else f": {row['value']:.3f}"
    return (
        f"| {row['model']} | {row['metric']}, {row['count']} {row['unit']}{value} "
        f"| {cells(narrow)} | {cells(row['results'].get('int8'))} "
        f"| {'bfloat16 allowed' if half else 'float32'}{', **wrongly**' if wrong else ''} |"
    )


def markdown(rows, half):
    """`half`: the models that the catalogue allows bfloat16."""
    head = "| model | metric, how many, float32's | bfloat16: lost | time | INT8: lost | time | in the catalogue |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", *(line(row, row["model"] in half) for row in rows)])
