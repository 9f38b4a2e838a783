"""Seconds for one update of sheeprl's DreamerV2, in an environment that has it: `python dreamer_peer.py --depth 48 …`.

Run by `benchmarks.dreamer_update`; it imports nothing of this project, which that environment lacks.
"""

from __future__ import annotations

import argparse
import time
import warnings

import gymnasium
import hydra
import numpy as np
import sheeprl
import torch
from lightning.fabric import Fabric
from omegaconf import OmegaConf
from sheeprl.algos.dreamer_v2.agent import build_agent
from sheeprl.algos.dreamer_v2.dreamer_v2 import train
from sheeprl.algos.dreamer_v2.utils import build_optimizer
from sheeprl.utils.utils import dotdict

PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("depth", "deter", "hidden", "units", "layers", "size", "batch", "length", "horizon"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--precision", choices=PRECISIONS, required=True)
    parser.add_argument("--updates", type=int, required=True)
    return parser.parse_args()


def config_of(options: argparse.Namespace) -> dotdict:
    """Its own Atari experiment, in these sizes."""
    model = "algo.world_model"
    overrides = [
        "exp=dreamer_v2_ms_pacman",
        "env.grayscale=False",
        f"env.screen_size={options.size}",
        f"{model}.encoder.cnn_channels_multiplier={options.depth}",
        f"{model}.recurrent_model.recurrent_state_size={options.deter}",
        f"{model}.transition_model.hidden_size={options.hidden}",
        f"{model}.representation_model.hidden_size={options.hidden}",
        f"algo.dense_units={options.units}",
        f"algo.mlp_layers={options.layers}",
        f"algo.horizon={options.horizon}",
        "metric.log_level=0",
    ]
    with hydra.initialize_config_module(f"{sheeprl.__name__}.configs", version_base="1.3"):
        composed = hydra.compose("config", overrides)
    return dotdict(OmegaConf.to_container(composed, resolve=True, throw_on_missing=False))


def batch_of(options: argparse.Namespace, actions: int) -> dict[str, torch.Tensor]:
    shape = (options.length, options.batch)
    chosen = torch.nn.functional.one_hot(torch.randint(actions, shape), actions).float()
    nothing = torch.zeros(*shape, 1)
    return {
        "rgb": torch.randint(0, 256, (*shape, 3, options.size, options.size)).float(),
        "actions": chosen,
        "rewards": nothing,
        "terminated": nothing,
        "truncated": nothing,
        "is_first": nothing.clone(),
    }


def main() -> None:
    options = parse()
    warnings.simplefilter("ignore")
    torch.distributions.Distribution.set_default_validate_args(False)  # as its own command line does
    config, actions = config_of(options), 4
    fabric = Fabric(accelerator="cpu", devices=1, precision=PRECISIONS[options.precision])
    frames = gymnasium.spaces.Box(0, 255, (3, options.size, options.size), np.uint8)
    *networks, _ = build_agent(fabric, [actions], False, config, gymnasium.spaces.Dict({"rgb": frames}))
    kinds = (config.algo.world_model, config.algo.actor, config.algo.critic)
    optimizers = fabric.setup_optimizers(
        *(build_optimizer(kind.optimizer, network.parameters()) for kind, network in zip(kinds, networks, strict=False))
    )
    seconds = []
    for _ in range(options.updates + 1):
        data = batch_of(options, actions)
        begin = time.perf_counter()
        train(fabric, *networks, *optimizers, data, None, config, [actions])
        seconds.append(time.perf_counter() - begin)
    print(sorted(seconds[1:])[options.updates // 2])  # the first one prepares what the others use


if __name__ == "__main__":
    main()
