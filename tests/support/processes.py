"""Processes of their own, each waited for however the test that runs them ends."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def run_at_once(
    commands: Sequence[Sequence[str]],
    *,
    cwd: Sequence[Path] | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 600,
) -> list[subprocess.CompletedProcess[str]]:
    """Run commands at once, each in its folder; return their ends, errors among the output."""

    def run(command: Sequence[str], folder: Path | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(run, commands, cwd or [None] * len(commands)))
