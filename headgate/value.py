"""The base of everything that users write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, dataclass_transform, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
    ValidationError,
)
from pydantic._internal._model_construction import ModelMetaclass
from pydantic_core import CoreSchema

from headgate.errors import InvalidInput
from headgate.validation import problems


# Said anew, since mypy does not look for it in a metaclass's own bases: editors complete fields.
@dataclass_transform(kw_only_default=True, field_specifiers=(Field, PrivateAttr))
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
                raise InvalidInput(problems(error, cls)) from error


T = TypeVar("T")


class _AsTuple:
    """Has pydantic make the same of `Sequence[T]` as of `tuple[T, ...]`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        (item,) = get_args(source)
        return handler(tuple[item, ...])  # type: ignore[valid-type]


#: What may be given as a list, and is kept as a tuple, since values do not change.
Many = Annotated[Sequence[T], _AsTuple()]


class Value(BaseModel, metaclass=Checked):
    """Frozen, and no unknown fields. `InvalidInput` names every wrong field."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
