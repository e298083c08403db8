"""The base of everything that users write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic._internal._model_construction import ModelMetaclass

from headgate.errors import InvalidInput
from headgate.validation import problems


class Checked(ModelMetaclass):
    """Makes `Job(...)` raise the same `InvalidInput`, with the same words, as the broker answers.

    On the class and not in `__init__`, which pydantic would call for nested values too, where a
    foreign error loses the path to the field. pydantic offers no public name for its metaclass.
    """

    if not TYPE_CHECKING:  # a type checker would take the signature below for that of every model

        def __call__(cls, *args: Any, **fields: Any) -> Any:  # noqa: N805 - a metaclass's self
            try:
                return super().__call__(*args, **fields)
            except ValidationError as error:
                raise InvalidInput(problems(error)) from error


class Value(BaseModel, metaclass=Checked):
    """Frozen, and no unknown fields. `InvalidInput` names every wrong field."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
