"""I2A by the command line: three stages in one run, parts handed from run to run, and what cannot be handed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.catalogue import find_checkpoint
from agents.runs.checkpoint import load_tensors
from agents.runs.directory import RunDirectory

Mbrl = Callable[..., Any]

SMALL = ["--set", "num_games=2", "--set", "n_step=2"]
QUICK = [*SMALL, "--set", "collect=40", "--set", "model_updates=2", "--set", "model_rows=4", "--set", "from_agent="]


def weights_of(run: str) -> dict[str, Any]:
    return load_tensors(find_checkpoint(run).folder / "weights.safetensors")


@pytest.fixture
def runs(mbrl: Mbrl) -> Path:
    """A home with an I2A called `whole` and an A2C called `policy`."""
    i2a = ["--agent", "i2a", "--run", "whole", "--steps", "16", "--set", "policy_steps=8", *QUICK]
    assert mbrl("train", "breakout", *i2a).code == 0
    assert mbrl("train", "breakout", "--agent", "a2c", "--run", "policy", "--steps", "8", *SMALL).code == 0
    return RunDirectory.open("whole").path.parent


def test_one_command_trains_all_stages_and_parts_can_be_handed_on(runs: Path, mbrl: Mbrl) -> None:
    stages = {line.get("stage") for line in RunDirectory.open("whole").read_metrics()}
    assert stages - {None}
    handed = ["--environment-model", "whole", "--rollout-policy", "policy"]
    assert mbrl("train", "breakout", "--agent", "i2a", "--run", "other", "--steps", "8", *SMALL, *handed).code == 0
    mine, theirs, policy = weights_of("other"), weights_of("whole"), weights_of("policy")
    assert mine["environment_model.colours"].equal(theirs["environment_model.colours"])
    assert mine["environment_model.trunk.read.weight"].equal(theirs["environment_model.trunk.read.weight"])
    assert mine["rollout_policy.heads.value.weight"].equal(policy["heads.value.weight"])
    config = RunDirectory.open("other").read_config().algorithm
    assert (config["environment_model"], config["rollout_policy"]) == ("whole", "policy")
    assert config["rollout_encoder"] == config["encoder"] == "nature"


def test_a_warm_start_is_the_policy_that_is_handed_in(runs: Path, mbrl: Mbrl) -> None:
    handed = [*SMALL, "--environment-model", "whole", "--rollout-policy", "policy", "--set", "warm_start=true"]
    still = ["--set", "learning_rate=0"]
    assert mbrl("train", "breakout", "--agent", "i2a", "--run", "warm", "--steps", "4", *handed, *still).code == 0
    mine, policy = weights_of("warm"), weights_of("policy")
    assert mine["agent.encoder.conv1.weight"].equal(policy["encoder.conv1.weight"])
    assert mine["agent.heads.value.bias"].equal(policy["heads.value.bias"])
    answer = mbrl("train", "breakout", "--agent", "i2a", "--set", "encoder=small", *handed)
    assert answer.code == 1
    assert "warm_start needs encoder and rollout_encoder alike" in answer.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--agent", "dqn", "--model", "none"], "Only i2a has such parts: leave out --model"),
        (["--environment-model", "whole"], "leave out --environment-model"),
        (["--agent", "i2a", "--model", "perfect"], "model must be learnt or emulator or none"),
        (["--agent", "i2a", "--environment-model", "policy"], "'policy' has no environment model"),
        (["--agent", "i2a", "--rollout-policy", "nobody"], "no agent, run or checkpoint folder called 'nobody'"),
        (["--agent", "i2a", "--rollout-policy", "breakout-dqn"], "'breakout-dqn' has no rollout policy"),
        (["--agent", "i2a", "--rollout-policy", "policy", "--set", "crop_top=20"], "sees the game otherwise"),
    ],
)
def test_what_cannot_be_handed_in_is_told_in_one_line(runs: Path, mbrl: Mbrl, options: list, words: str) -> None:
    before = sorted(runs.iterdir())
    answer = mbrl("train", "breakout", *options)
    assert answer.code == 1
    assert words in answer.err
    assert answer.err.count("\n") == 1
    assert sorted(runs.iterdir()) == before
