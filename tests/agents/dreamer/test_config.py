"""What cannot be trained is told before it is begun."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agents.algorithms import algorithm
from agents.dreamer.config import DreamerConfig
from agents.errors import UserError


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"model_size": "huge"}, "model_size must be tiny or small or paper, not 'huge'"),
        ({"latents": "binary"}, "latents must be categorical or gaussian"),
        (
            {"replay_capacity": 10_000},
            r"learning_starts \(with this replay_capacity\) must .* from 0 to 10,000",
        ),
        ({"replay_capacity": 20_000, "num_games": 12}, "from 0 to 19,992"),
        ({"from_agent": "breakout-dqn"}, "from_agent and collect belong together"),
        ({"collect": 5_000}, "Use: --from-agent NAME --collect N"),
        ({"from_agent": "one,,two", "collect": 5_000}, "from_agent must be names with commas between them, not 'one,,"),
        ({"from_agent": ",", "collect": 5_000}, "from_agent must be names"),
        ({"collect_per_update": -1}, "collect_per_update"),
        ({"lent_weight": 0.0}, "lent_weight must be a number from 0.001"),
        ({"gradient_clip": 0.0}, "gradient_clip"),
        ({"plan_elites": 65}, "plan_elites must be a number from 1 to 64"),
        ({"discount": 1.1}, "discount"),
    ],
)
def test_what_cannot_be_is_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        DreamerConfig(**wrong)


def test_breakout_alone_borrows_games_by_default() -> None:
    assert algorithm("dreamer").config_for("breakout").from_agent == "breakout-a2c,breakout-pqn"
    others = [algorithm("dreamer").config_for(game) for game in ("pong", "cartpole")]
    others += [algorithm(kind).config_for("breakout") for kind in ("planet", "dreamer-v1")]
    assert [(config.from_agent, config.collect, config.dream_temperature, config.overshoot) for config in others] == [
        ("", 0, 1.0, 0)
    ] * 4


def test_borrowing_can_be_left_out() -> None:
    own = algorithm("dreamer").config_for("breakout")
    assert replace(own, from_agent="", collect=0).pretrain == own.pretrain
    with pytest.raises(UserError, match="--set from_agent= --set collect=0"):
        replace(own, collect=0)


def test_guides_are_named_with_commas_between_them() -> None:
    assert DreamerConfig().guides == ()
    assert DreamerConfig(from_agent="one", collect=80).guides == ("one",)
    assert DreamerConfig(from_agent="one, two ,three", collect=80).guides == ("one", "two", "three")


def test_every_guide_has_a_game_at_least() -> None:
    assert DreamerConfig(from_agent="one,two", collect=80, num_games=2, replay_capacity=200, learning_starts=20).guides
    with pytest.raises(UserError, match=r"2 agents cannot share 1 games\. Use: --set num_games=2"):
        DreamerConfig(from_agent="one,two", collect=80, num_games=1, replay_capacity=200, learning_starts=20)
