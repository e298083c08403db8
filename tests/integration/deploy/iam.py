"""IAM's simulation, as far as the template's policies need it: moto has none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Statement = dict[str, Any]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass(slots=True)
class Simulation:
    """`simulate_principal_policy` over policy statements whose references are resolved."""

    statements: list[Statement]

    def simulate_principal_policy(self, **asked: Any) -> dict[str, Any]:
        context = {
            one["ContextKeyName"]: one["ContextKeyValues"][0] for one in asked["ContextEntries"]
        }
        results = []
        for action in asked["ActionNames"]:
            each = [self._decide(action, arn, context) for arn in asked["ResourceArns"]]
            results.append(
                {
                    "EvalActionName": action,
                    "EvalDecision": "allowed" if set(each) == {"allowed"} else "implicitDeny",
                    "ResourceSpecificResults": [{"EvalResourceDecision": one} for one in each],
                }
            )
        return {"EvaluationResults": results}

    def _decide(self, action: str, arn: str, context: dict[str, str]) -> str:
        allowed = any(self._allows(one, action, arn, context) for one in self.statements)
        return "allowed" if allowed else "implicitDeny"

    def _allows(self, statement: Statement, action: str, arn: str, context: dict[str, str]) -> bool:
        # As IAM: `*` alone is not what `arn:...` allows, and patterns do not stop at slashes.
        return (
            any(fnmatchcase(action, one) for one in as_list(statement["Action"]))
            and any(fnmatchcase(arn, literal(one)) for one in as_list(statement["Resource"]))
            and all(
                holds(operator, key, wanted, context)
                for operator, conditions in statement.get("Condition", {}).items()
                for key, wanted in conditions.items()
            )
        )


def holds(operator: str, key: str, wanted: Any, context: dict[str, str]) -> bool:
    if operator == "Null":
        return (key not in context) is (wanted == "true")
    given = context.get(key)
    return given is not None and any(fnmatchcase(given, one) for one in as_list(wanted))


def literal(pattern: str) -> str:
    """IAM has no character classes."""
    return re.sub(r"[\[]", "[[]", pattern)
