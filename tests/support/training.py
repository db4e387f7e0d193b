"""Streams and callbacks that several tests of training use."""

from __future__ import annotations

import io

from pyoptim.train import Callback, Lambda, Trainer


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Crash(Exception):
    pass


def crash_at(step: int) -> Callback:
    def crash(t: Trainer) -> None:
        if t.step == step:
            raise Crash

    return Lambda(on_step_end=crash)
