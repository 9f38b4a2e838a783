"""Settings as a person types them and as files hold them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.catalogue import ALGORITHMS
from agents.dqn.config import DQNConfig
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.i2a.config import I2AConfig
from agents.settings import check_range, describe, from_json, parse_assignments


@dataclass(frozen=True)
class Sample:
    count: int
    """How many.
    Never less than none."""
    rate: float = 0.5
    loud: bool = False
    """Whether."""
    name: str = "x"

    def __post_init__(self) -> None:
        check_range("count", self.count, 0)


plain_text = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]))
samples = st.builds(Sample, st.integers(0), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), plain_text)


@given(samples)
def test_what_is_written_is_read_again(sample: Sample) -> None:
    written = [f"{field.name}={getattr(sample, field.name)}" for field in fields(sample)]
    assert parse_assignments([Sample], written) == [asdict(sample)]
    assert from_json(Sample, json.loads(json.dumps(asdict(sample)))) == sample


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("count=1_000_000", {"count": 1_000_000}),
        (" count = 3 ", {"count": 3}),
        ("rate=1e-4", {"rate": 1e-4}),
        ("rate=3", {"rate": 3.0}),
        ("loud=YES", {"loud": True}),
        ("loud=0", {"loud": False}),
        ("name=a=b", {"name": "a=b"}),
        ("name=", {"name": ""}),
    ],
)
def test_several_ways_to_say_it(text: str, values: dict[str, Any]) -> None:
    (parsed,) = parse_assignments([Sample], [text])
    assert parsed == values
    assert {name: type(value) for name, value in parsed.items()} == {name: type(v) for name, v in values.items()}


def test_the_last_word_counts() -> None:
    assert parse_assignments([Sample], ["count=1", "rate=2", "count=3"]) == [{"count": 3, "rate": 2.0}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("count", "field=value"),
        ("=3", "field=value"),
        ("", "field=value"),
        ("coutn=3", "Did you mean count?"),
        ("zzz=3", "There are: count, loud, name, rate."),
        ("count=three", "count must be a whole number, not 'three'."),
        ("count=1.0", "count must be a whole number, not '1.0'."),
        ("rate=fast", "rate must be a number, not 'fast'."),
        ("loud=maybe", "loud must be true or false, not 'maybe'."),
    ],
)
def test_what_cannot_be_understood_is_told(text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_assignments([Sample], [text])
    assert words in str(caught.value)


@given(st.text(), st.text())
def test_nothing_that_is_typed_breaks_it(name: str, text: str) -> None:
    complaints = []
    for field in (name, *(field.name for field in fields(DQNConfig))):
        try:
            (values,) = parse_assignments([DQNConfig], [f"{field}={text}"])
            DQNConfig(**values)
        except UserError as error:
            complaints.append(str(error))
    assert not [complaint for complaint in complaints if "\n" in complaint]


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf"), float("-inf")])
def test_what_is_out_of_range_is_told(value: float) -> None:
    with pytest.raises(UserError, match="epsilon must be a number from 0 to 1"):
        check_range("epsilon", value, 0, 1)


def test_a_range_without_an_end_ends_before_infinity() -> None:
    check_range("steps", 10**30, 1)
    with pytest.raises(UserError, match="of at least 1"):
        check_range("steps", float("inf"), 1)


HUGE = 10**400


def test_a_number_that_no_float_can_hold_is_out_of_every_range() -> None:
    with pytest.raises(UserError, match=r"^steps must be a number of at least 1, not 10,000,.*…\.$"):
        check_range("steps", HUGE, 1)
    (values,) = parse_assignments([Sample], [f"count={HUGE}"])
    with pytest.raises(UserError, match="count must be"):
        Sample(**values)


def test_a_field_belongs_to_the_kind_that_has_it() -> None:
    @dataclass(frozen=True)
    class Other:
        volume: int = 0

    assert parse_assignments([Sample, Other], ["volume=2", "count=1"]) == [{"count": 1}, {"volume": 2}]
    with pytest.raises(UserError, match=r"Did you mean volume\?"):
        parse_assignments([Sample, Other], ["volme=2"])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": HUGE}, "count must be a whole number, not 1000"),
        ({"count": 1, "rate": HUGE}, "rate must be a number, not 1000"),
        ([], "must be an object"),
        (None, "must be an object"),
        ({}, "missing"),
        ({"count": "3"}, "count must be a whole number, not '3'"),
        ({"count": 3.0}, "count must be a whole number"),
        ({"count": True}, "count must be a whole number"),
        ({"count": 3, "loud": 1}, "loud must be true or false"),
        ({"count": 3, "later": 1}, "'later' is unknown"),
        ({"count": -1}, "count must be a number of at least 0"),
    ],
)
def test_what_was_saved_otherwise_is_told(values: Any, words: str) -> None:
    with pytest.raises(UserError) as caught:
        from_json(Sample, values)
    assert words in str(caught.value)


def test_a_whole_number_is_a_number() -> None:
    assert from_json(Sample, {"count": 1, "rate": 2}).rate == 2


def test_settings_are_described_in_their_own_words() -> None:
    described = {setting.name: setting for setting in describe(Sample)}
    assert list(described) == ["count", "rate", "loud", "name"]
    assert described["count"].text == "How many. Never less than none."
    assert (described["count"].type, described["count"].default) == ("int", "")
    assert (described["rate"].text, described["rate"].default) == ("", "0.5")
    assert (described["loud"].text, described["loud"].default) == ("Whether.", "false")
    own = {setting.name: setting.default for setting in describe(Sample(3, loud=True))}
    assert own == {"count": "3", "rate": "0.5", "loud": "true", "name": "x"}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_no_setting_of_an_algorithm_is_called_as_one_of_the_game(name: str) -> None:
    """`--set` could mean either."""
    of_the_game = {field.name for field in fields(AtariSettings)}
    assert of_the_game.isdisjoint(field.name for field in fields(ALGORITHMS[name].config()))


@pytest.mark.parametrize("kind", [AtariSettings, *(algorithm.config() for algorithm in ALGORITHMS.values())])
def test_every_setting_has_words(kind: type[Any]) -> None:
    assert all(setting.text and (setting.default or setting.type == "str") for setting in describe(kind))


def test_inherited_settings_are_described_too() -> None:
    texts = {setting.name: setting.text for setting in describe(I2AConfig(horizon=7))}
    assert texts["horizon"].startswith("Steps of a rollout")
    assert texts["discount"].startswith("γ")
    assert all(texts.values())
