"""Settings as dataclasses: read from `field=value`, checked, told plainly when wrong."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import itertools
import math
import textwrap
import typing
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from agents.errors import UserError

T = TypeVar("T")


def check_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raise UserError unless low <= value <= high (no number, infinity, and what no float can hold are outside)."""
    if not low <= value <= high or not _fits_float(value):
        bounds = f"from {low:,} to {high:,}" if high < math.inf else f"of at least {low:,}"
        raise UserError(f"{name} must be a number {bounds}, not {_shortened(f'{value:,}')}.")


def check_choice(name: str, value: str, choices: Collection[str]) -> None:
    """Raise UserError unless the value is one of the choices."""
    if value not in choices:
        raise UserError(f"{name} must be {' or '.join(choices)}, not {_shortened(value)!r}.")


def split_names(name: str, value: str) -> tuple[str, ...]:
    """The names in a setting, which has commas between them; none where it is empty.

    Raises UserError where one of them is missing.
    """
    names = tuple(part.strip() for part in value.split(",")) if value else ()
    if not all(names):
        raise UserError(f"{name} must be names with commas between them, not {_shortened(value)!r}.")
    return names


def check_shared(agents: tuple[str, ...], num_games: int) -> None:
    """Raises UserError where there are more agents than games for them to play."""
    if (count := len(agents)) > num_games:
        raise UserError(f"{count} agents cannot share {num_games} games. Use: --set num_games={count}")


def _fits_float(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of more than some 300 digits
        return False


def _shortened(text: str, longest: int = 60) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def parse_assignments(kinds: Iterable[type[Any]], assignments: Iterable[str]) -> list[dict[str, Any]]:
    """`["n_step=3", "double=true"]` as values of the fields of dataclasses `kinds`, for each in turn.

    Raises UserError for what is no assignment, a field of none of them, or a value of the wrong type.
    """
    fields = [typing.get_type_hints(kind) for kind in kinds]
    types = {name: kind for own in fields for name, kind in own.items()}
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not name:
            raise UserError(f"{assignment!r} sets nothing. Write it as field=value, for example discount=0.99.")
        if name not in types:
            near = difflib.get_close_matches(name, types, n=3)
            hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(types))}."
            raise UserError(f"There is no setting called {name!r}. {hint}")
        values[name] = _parse(name, text, types[name])
    return [{name: value for name, value in values.items() if name in own} for own in fields]


def _parse(name: str, text: str, kind: type[Any]) -> Any:
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        return kind(text.replace("_", "")) if kind in (int, float) else kind(text)
    except (KeyError, ValueError):
        raise UserError(f"{name} must be {_wanted(kind)}, not {_shortened(text)!r}.") from None


def _wanted(kind: type[Any]) -> str:
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text"}.get(kind, kind.__name__)


def from_json(kind: type[T], values: Any) -> T:
    """A dataclass from what was saved of it.

    Raises UserError where a field is missing, unknown to this version, or of another type.
    """
    if not isinstance(values, dict):
        raise UserError(f"The settings must be an object, not {values!r}.")
    types = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise UserError(
            f"The setting {unknown[0]!r} is unknown to this version: update mbrl, or it is of an older one."
        )
    for name, value in values.items():
        fits = type(value) is types[name] or (types[name] is float and type(value) is int)
        too_large = type(value) is int and not _fits_float(value)
        if types[name] in (bool, int, float, str) and (too_large or not fits):
            raise UserError(f"{name} must be {_wanted(types[name])}, not {_shortened(repr(value))}.")
    try:
        return kind(**values)
    except TypeError as error:  # how a dataclass reports a field without default that is missing
        raise UserError(f"A setting is missing ({error}).") from None


@dataclass(frozen=True)
class Setting:
    """One field of a dataclass, as a person reads of it. text: the docstring under the field."""

    name: str
    type: str
    default: str
    text: str


def describe(settings: Any) -> list[Setting]:
    """The fields of a dataclass, with the docstrings that stand under them in its source.

    settings: the class, for its defaults, or an instance, for its values.
    """
    kind = settings if isinstance(settings, type) else type(settings)
    texts: dict[str, str] = {}
    for base in reversed([base for base in kind.__mro__ if dataclasses.is_dataclass(base)]):
        texts |= _texts(base)
    types = typing.get_type_hints(kind)
    return [
        Setting(field.name, types[field.name].__name__, _shown(value), texts.get(field.name, ""))
        for field in dataclasses.fields(kind)
        for value in [getattr(settings, field.name, dataclasses.MISSING)]
    ]


def _texts(kind: type[Any]) -> dict[str, str]:
    """The docstring under each field that the class itself has."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # type: ignore[attr-defined]
    return {
        ast.unparse(field.target): " ".join(str(below.value.value).split())
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if default is dataclasses.MISSING:
        return ""
    return f"{default:_}" if isinstance(default, int) else str(default)
