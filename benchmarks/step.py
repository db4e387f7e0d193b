"""Measure the time of a step against the bandwidth loop, torch and optax.

Run ``python -m benchmarks.step --help`` in the repository's root; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyoptim as po
from benchmarks import bandwidth, command, competitors, kernels
from benchmarks.compare import Competitor, compare
from benchmarks.competitors import (
    ARRAYS,
    CYTHON,
    DROP_IN,
    OURS,
    PARAMETERS,
    ROWS,
    ours,
    ours_on_arrays,
)
from benchmarks.native import has_compiler
from benchmarks.report import (
    Measurement,
    Target,
    summary,
    table_of_competitors,
    table_of_rules,
)
from benchmarks.workloads import Workload, Workloads, make_workloads

_CLIP_NORM = 1.0  # below the norm of millions of normal numbers, so that it clips

_OTHERS = ("RMSprop", "NAdam", "RAdam", "Adamax", "Adadelta", "Rprop")

_LARGE_MODEL = ("LAMB", "Adafactor", "Prodigy", "Adan", "Lion", "ScheduleFreeAdamW")


@dataclass(frozen=True)
class Bench:
    """What all sections share."""

    workloads: Workloads
    repeats: int

    def measure(
        self, label: str, shapes: Workload, taking_part: Sequence[Competitor], *targets: Target
    ) -> Measurement:
        """Compare these competitors on one workload."""
        if sys.stderr.isatty():
            print(f"\r\033[Kmeasuring {label}, {shapes.name}\r", end="", file=sys.stderr)
        comparison = compare(taking_part, shapes, self.repeats)
        own = tuple(name for name in comparison.seconds if name in OURS)
        return Measurement(label, shapes, comparison, own, targets)


def _bandwidth_loops(passes: Sequence[tuple[int, int]]) -> list[Competitor]:
    return [bandwidth.bandwidth_loop(passes)] if has_compiler() else []


def _passes(rule: po.Rule, states: int) -> tuple[tuple[int, int], ...]:
    """Return what each pass of a variant of a rule reads and writes."""
    if rule.factored:
        (*before, (reads, writes)), left_out = rule.passes, len(rule.states) - states
        return (*before, (reads - left_out, writes - left_out))
    return rule.passes if states == len(rule.states) else ((2 + states, 1 + states),)


def measure_bandwidth(bench: Bench) -> Iterator[Measurement]:
    """Measure every variant of every rule against a loop with its reads and writes."""
    for rule in po.rules():
        for settings, states in competitors.variants(rule):
            chosen = ", ".join(f"{name}={value}" for name, value in settings.items())
            yield bench.measure(
                f"{rule.name}({chosen})" if chosen else rule.name,
                bench.workloads.large_matrix if rule.factored else bench.workloads.large,
                [ours(rule.name, **settings), *_bandwidth_loops(_passes(rule, len(states)))],
                Target(0.90 if len(rule.passes) == 1 else 0.85, PARAMETERS, "bandwidth"),
            )


def _adamw(bench: Bench, shapes: Workload, *targets: Target) -> Measurement:
    everyone = [
        ours("AdamW"),
        ours_on_arrays("AdamW"),
        *_bandwidth_loops([(4, 3)]),
        *competitors.torch_peers("AdamW"),
        *competitors.optax_peers("AdamW"),
    ]
    return bench.measure("AdamW", shapes, everyone, *targets)


FEATURES: dict[str, tuple[dict[str, Any], float]] = {
    "bfloat16 state": ({"state_dtype": "bfloat16"}, 1.25),
    "float8 state": ({"state_dtype": "float8"}, 1.2),
    "float8 state, nearest": ({"state_dtype": "float8", "stochastic_rounding": False}, 0.0),
    "EMA": ({"ema_decay": 0.999}, 0.0),
    "bfloat16 copy": ({"bfloat16_copy": True}, 0.0),
    "cautious": ({"modifier": "cautious"}, 0.0),
    "grams": ({"modifier": "grams"}, 0.0),
}


def measure_features(bench: Bench) -> Iterator[Measurement]:
    """Measure what is done around a step of AdamW against a plain step of our own."""
    plain = Competitor("plain", ours("AdamW").make)
    for name, (settings, minimum) in FEATURES.items():
        targets = [Target(minimum, PARAMETERS, "plain")] if minimum else []
        yield bench.measure(
            name, bench.workloads.large, [ours("AdamW", **settings), plain], *targets
        )
    yield bench.measure(
        "EMA and clip",
        bench.workloads.large,
        [
            ours("AdamW", ema_decay=0.999, clip_norm=_CLIP_NORM),
            *_bandwidth_loops([(1, 0), (5, 4)]),
            *competitors.torch_ema(_CLIP_NORM),
        ],
        Target(1.70, PARAMETERS),
    )


def measure_adamw(bench: Bench) -> Iterator[Measurement]:
    """Measure AdamW on all workloads against all competitors."""
    workloads = bench.workloads
    yield _adamw(
        bench,
        workloads.large,
        Target(1.15, PARAMETERS, "torch fused"),
        Target(1.60, PARAMETERS, "optax"),
        Target(5.00, PARAMETERS, "torch default"),
    )
    yield _adamw(bench, workloads.squares, Target(5.00, PARAMETERS, "torch fused"))
    for shapes in (workloads.gpt2, workloads.resnet18, workloads.mlp):
        yield _adamw(bench, shapes)


def measure_small(bench: Bench) -> Iterator[Measurement]:
    """Measure what calling a step from Python costs."""
    yield _adamw(
        bench,
        bench.workloads.tiny,
        Target(15.0, PARAMETERS, "torch fused"),
        Target(5.00, ARRAYS, "torch fused"),
    )


def measure_cython(bench: Bench) -> Iterator[Measurement]:
    """Measure steps from Cython against the kernels alone."""
    steps = 1000
    bare = [kernels.bare_kernels("AdamW", steps)] if has_compiler() else []
    yield bench.measure(
        f"AdamW, {steps:,} steps",
        bench.workloads.tiny,
        [competitors.ours_in_cython("AdamW", steps), *bare],
        Target(1 / 1.5, CYTHON, kernels.NAME),
    )


def measure_clip(bench: Bench) -> Iterator[Measurement]:
    """Measure clipping by the norm together with the step."""
    yield bench.measure(
        "AdamW, clipped",
        bench.workloads.large,
        [ours("AdamW", clip_norm=_CLIP_NORM), *competitors.torch_clipped(_CLIP_NORM)],
        Target(1.50, PARAMETERS),
    )


def measure_others(bench: Bench) -> Iterator[Measurement]:
    """Measure rules for which torch has no fused kernel against the best it has."""
    for rule in _OTHERS:
        everyone = [ours(rule), *competitors.torch_peers(rule)]
        yield bench.measure(rule, bench.workloads.medium, everyone, Target(4.00, PARAMETERS))


def measure_gpt2(bench: Bench) -> Iterator[Measurement]:
    """Measure rules that large models are trained with against the best implementation there is."""
    for rule in po.rules():
        if rule.name in _LARGE_MODEL:
            peers = [
                *competitors.torch_peers(rule.name),
                *competitors.pytorch_optimizer_peers(rule.name),
                *competitors.optax_peers(rule.name),
            ]
            everyone = [ours(rule.name, weight_decay=0.0), *_bandwidth_loops(rule.passes), *peers]
            yield bench.measure(rule.name, bench.workloads.gpt2, everyone, Target(4.00, PARAMETERS))


# Ours, what torch calls it where gradients are sparse, and what is wanted.
_BY_ROWS = (("SGD", "SGD", 0.0), ("Adagrad", "Adagrad", 3.0), ("Adam", "SparseAdam", 3.0))


def measure_rows(bench: Bench) -> Iterator[Measurement]:
    """Measure steps over some rows of a table against torch's with sparse gradients."""
    for repeated in (True, False):
        for rule, peer, least in _BY_ROWS:
            targets = [Target(least, ROWS)] if least else []
            label = f"{rule}, rows {'repeated' if repeated else 'once'}"
            everyone = [
                competitors.ours_by_rows(rule, repeated=repeated),
                *competitors.torch_by_rows(peer, repeated=repeated),
            ]
            yield bench.measure(label, bench.workloads.table, everyone, *targets)


def measure_torch(bench: Bench) -> Iterator[Measurement]:
    """Measure AdamW of pyoptim.torch, over tensors, against torch's own."""
    workloads = bench.workloads
    for shapes, fused, default in (
        (workloads.resnet18, 1.1, 4.0),
        (workloads.gpt2, 1.1, 4.0),
        (workloads.squares, 3.0, 0.0),
    ):
        wanted = ((fused, "torch fused"), (default, "torch default"))
        targets = [Target(least, DROP_IN, peer) for least, peer in wanted if least]
        everyone = [*competitors.ours_in_torch("AdamW"), *competitors.torch_peers("AdamW")]
        if everyone:
            everyone += _bandwidth_loops([(4, 3)])
            yield bench.measure("AdamW", shapes, everyone, *targets)


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    measure: Callable[[Bench], Iterator[Measurement]]
    table: Callable[[Sequence[Measurement]], str]


SECTIONS = {
    "bandwidth": Section("Every rule / its bandwidth loop", measure_bandwidth, table_of_rules),
    "adamw": Section("AdamW", measure_adamw, table_of_competitors),
    "small": Section("A step from Python", measure_small, table_of_competitors),
    "cython": Section("Steps from Cython", measure_cython, table_of_competitors),
    "clip": Section("Clipping and a step", measure_clip, table_of_competitors),
    "features": Section("Fused options", measure_features, table_of_competitors),
    "others": Section("Other rules / torch's best", measure_others, table_of_rules),
    "torch": Section("pyoptim.torch", measure_torch, table_of_competitors),
    "gpt2": Section("Rules for large models / the best peer", measure_gpt2, table_of_rules),
    "rows": Section("Row-sparse gradients", measure_rows, table_of_competitors),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print tables, and write JSON if asked."""
    options = _parser().parse_args(arguments)
    _use_threads(options.threads)
    # With the JSON on stdout, the tables go to stderr.
    out = sys.stderr if options.json == command.STDOUT else sys.stdout
    environment = command.environment("torch", "jax", "optax", "pytorch_optimizer")
    print("\n".join(f"{name}: {value}" for name, value in environment.items()), file=out)
    for missing in _missing():
        print(f"left out: {missing}", file=out)
    if options.quick:
        print("quick: the sizes are small, the targets are those of full size", file=out)
    bench = Bench(make_workloads(quick=options.quick), options.repeats)
    results: dict[str, list[Measurement]] = {}
    for name in options.only:
        section = SECTIONS[name]
        results[name] = list(section.measure(bench))
        print(f"\n== {section.title}\n{section.table(results[name])}", file=out, flush=True)
    print(f"\n{summary([m for found in results.values() for m in found])}", file=out)
    if options.json is not None:
        figures = {
            "environment": environment,
            "quick": options.quick,
            "repeats": options.repeats,
            "sections": {name: [m.as_json() for m in found] for name, found in results.items()},
        }
        command.write_json(figures, options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__)
    command.add_only(parser, SECTIONS)
    parser.add_argument(
        "--rules",
        dest="only",
        type={"all": ["bandwidth"]}.__getitem__,
        metavar="all",
        help="every rule against its bandwidth loop; the same as --only bandwidth",
    )
    parser.add_argument(
        "--features",
        dest="only",
        action="store_const",
        const=["features"],
        help="what is done around a step; the same as --only features",
    )
    parser.add_argument("--repeats", type=command.count, default=15, help="rounds (default 15)")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try the program")
    parser.add_argument("--threads", type=command.count, help="threads of everyone")
    parser.add_argument(
        "--json", type=command.json_file, metavar="FILE", help="write all figures; - is stdout"
    )
    return parser


def _use_threads(count: int | None) -> None:
    """Limit everyone to so many threads; jax only knows the processors it may run on."""
    if count is None:
        return
    po.set_num_threads(count)
    allowed = sorted(os.sched_getaffinity(0))
    if count < len(allowed):
        os.sched_setaffinity(0, allowed[:count])


def _missing() -> Iterator[str]:
    for module in ("torch", "optax", "jax", "pytorch_optimizer"):
        if not competitors.is_installed(module):
            yield f"{module} is not installed"
    if not has_compiler():
        yield "the bandwidth loop and the direct kernel calls, because there is no C++ compiler"


if __name__ == "__main__":
    main()
