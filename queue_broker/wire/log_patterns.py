"""CloudWatch's filter patterns for plain text: terms, "phrases", -excluded and ?optional ones.

Source: "Filter pattern syntax" of the CloudWatch Logs user guide. Patterns for JSON and for fields
between spaces, and regular expressions, are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from queue_broker.wire.faults import Fault

TERM = re.compile(r'\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>\w+))(?=\s|$)')
#: How a pattern begins that is none for plain text.
OTHERS: Mapping[str, str] = {"{": "a JSON pattern", "[": "a pattern of fields", "%": "a regex"}
INVALID = "InvalidParameterException"

Matches = Callable[[str], bool]


def to_filter(pattern: str) -> Matches:
    """Whether a message matches; `Fault` for what is no pattern for plain text.

    Terms must all be there, an excluded one must not. Optional terms count only where there are no
    others; then one of them must be there.
    """
    terms = parsed(pattern)
    wanted = [term for sign, term in terms if not sign]
    excluded = [term for sign, term in terms if sign == "-"]
    optional = [term for sign, term in terms if sign == "?"]
    if optional and not wanted and not excluded:
        return lambda message: any(term in message for term in optional)

    def matches(message: str) -> bool:
        here = all(term in message for term in wanted)
        return here and not any(term in message for term in excluded)

    return matches


def parsed(pattern: str) -> list[tuple[str, str]]:
    """Signs and terms. An empty pattern or phrase matches everything."""
    text = pattern.strip()
    if kind := OTHERS.get(text[:1]):
        words = "terms, quoted phrases, -excluded and ?optional ones"
        raise Fault(f"filterPattern: got {kind}; allowed: {words}", INVALID)
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        term = TERM.match(text, at)
        if term is None:
            words = 'terms of letters, digits and _; others in quotes ("...")'
            raise Fault(f"filterPattern: got {text[at : at + 40]!r}; allowed: {words}", INVALID)
        phrase = term["phrase"]
        plain = term["word"] if phrase is None else re.sub(r"\\(.)", r"\1", phrase)
        if plain.strip():
            found.append((term["sign"], plain))
        at = term.end()
    return found
