"""Exported agents are small, load by themselves, and play as they did."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.catalogue import find_checkpoint, load_agent
from agents.dqn.config import DQNConfig
from agents.dqn.network import build_network
from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from agents.runs.checkpoint import save_tensors
from agents.runs.export import export_checkpoint


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    config = {"game": "breakout", "agent": "dqn", "settings": vars(AtariSettings()), "algorithm": vars(DQNConfig())}
    (folder / "config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    save_tensors(folder / "weights.safetensors", build_network(4, 4, (84, 84)).state_dict())
    return folder


@pytest.mark.parametrize("half", [True, False])
def test_an_exported_agent_values_moments_as_before(source: Path, tmp_path: Path, half: bool) -> None:
    target = tmp_path / "mine"
    size = export_checkpoint(source, target, half)
    assert size == pytest.approx(3.4e6 if half else 6.8e6, rel=0.05)
    game = AtariGame("breakout")
    before = load_agent(find_checkpoint(str(source), "breakout")).act(game.moment())
    after = load_agent(find_checkpoint(str(target), "breakout")).act(game.moment())
    np.testing.assert_allclose(after.action_values, before.action_values, atol=2e-3 if half else 0)


def test_nothing_is_overwritten(source: Path, tmp_path: Path) -> None:
    export_checkpoint(source, tmp_path / "mine")
    before = (tmp_path / "mine" / "weights.safetensors").read_bytes()
    with pytest.raises(UserError, match="already"):
        export_checkpoint(source, tmp_path / "mine", half=False)
    assert (tmp_path / "mine" / "weights.safetensors").read_bytes() == before


def test_a_folder_keeps_what_else_it_holds(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / "notes").write_bytes(bytes(10**6))
    with monkeypatch.context() as patch:
        rename = os.rename

        def fail(path: Path, to: Path) -> None:
            if to.name == "config.json":
                raise OSError(errno.EIO, "Input/output error")
            rename(path, to)

        patch.setattr(os, "rename", fail)
        with pytest.raises(UserError, match="Cannot write"):
            export_checkpoint(source, target)
    assert [path.name for path in target.iterdir()] == ["notes"]
    assert export_checkpoint(source, target) == pytest.approx(3.4e6, rel=0.05)
    assert sorted(path.name for path in target.iterdir()) == ["config.json", "notes", "weights.safetensors"]


def test_a_config_of_something_else_is_not_overwritten(source: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"config\.json already"):
        export_checkpoint(source, tmp_path)
    assert (tmp_path / "config.json").read_text() == "{}"
    assert not (tmp_path / "weights.safetensors").exists()


def test_weights_that_do_not_fit_in_half_precision_are_refused(source: Path, tmp_path: Path) -> None:
    save_tensors(source / "weights.safetensors", {"large": torch.tensor([1e6])})
    with pytest.raises(UserError, match="too large for half precision"):
        export_checkpoint(source, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
