"""What is said of a flow that was compared with the schemas, as text."""

from collections.abc import Iterator, Mapping
from typing import Any


def report_lines(told: Mapping[str, Any], most: int | None = None) -> Iterator[str]:
    """Its message, then the findings, or the first of them: where, what, which rule, what to do."""
    yield str(told.get("message", ""))
    findings = told.get("findings", ())
    for one in findings[:most]:
        where = f" ({one['where']})" if one["where"] else ""
        yield f"ligne {one['line']} : {one['message']}{where} [{one['code']}, refus : {one['level']}]"
        if one["expected"]:
            yield f"    attendu : {one['expected']}"
        yield f"    remède : {one['remedy']}"
    if most is not None and len(findings) > most:
        yield f"… et {len(findings) - most} autres : tdt flow --json"
