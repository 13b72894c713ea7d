"""The base of every value that people write: strict, frozen, camelCase in files, snake_case in code."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StrictInt, StrictStr
from pydantic.alias_generators import to_camel

from genai_tui.domain.naming import (
    check_catalogue_name,
    check_env_name,
    check_image,
    check_label_key,
    check_label_name,
    check_label_value,
    check_service_name,
    check_subdomain,
)
from genai_tui.domain.quantities import parse_quantity


class Written(BaseModel):
    """A part of a file. Unknown fields are errors; nothing is coerced that a person may have meant otherwise."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        # The console paints before it reads a document: schemas are built when they are first needed.
        defer_build=True,
        # What was typed into the wrong field may be a secret; it must not reach a log through a traceback.
        hide_input_in_errors=True,
    )


def _quantity(text: str) -> str:
    value = parse_quantity(text)
    if value <= 0:
        raise ValueError(f"'{text}' must be more than 0")
    return text.strip()


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a character (a lone surrogate), which cannot be stored") from error
    return text


def _number_as_text(value: object) -> object:
    """YAML reads `cpu: 2` as a number; a quantity is text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[StrictStr, AfterValidator(_encodable)]
Count = StrictInt
Name = Annotated[StrictStr, AfterValidator(check_label_name)]
CatalogueName = Annotated[StrictStr, AfterValidator(check_catalogue_name)]
ServiceName = Annotated[StrictStr, AfterValidator(check_service_name)]
ObjectName = Annotated[StrictStr, AfterValidator(check_subdomain)]
Hostname = Annotated[StrictStr, AfterValidator(check_subdomain)]
Image = Annotated[StrictStr, AfterValidator(check_image)]
LabelKey = Annotated[StrictStr, AfterValidator(check_label_key)]
LabelValue = Annotated[StrictStr, AfterValidator(check_label_value)]
EnvName = Annotated[StrictStr, AfterValidator(check_env_name)]
Quantity = Annotated[StrictStr, BeforeValidator(_number_as_text), AfterValidator(_quantity)]
