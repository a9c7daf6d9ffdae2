"""What is done to the stack under the load: champions swapped, every scoring pod replaced."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import httpx
from lifecycle.manifest import REFERENCE_FILE_NAME, Manifest, ModelFile
from lifecycle.registry import ModelRegistry

from benchmarks.soak.plan import Plan
from toolchain import inside, stack

_REFERENCE_LIMIT_BYTES: Final = 2**28
_SERVED_WITHIN_SECONDS: Final = 150.0
"""A pod looks for a champion every two seconds, Prometheus at the pods every fifteen; but what loads one gives way to
all else, and where both cores were taken whole one of ten swaps was not there after 45."""
_LOOK_SECONDS: Final = 3.0


@dataclass
class Changes:
    """What is changed, and what became of it.

    Attributes:
        chosen: the cluster.
        outputs: of the stack.
        registry: of the model.
        swapped: how many swaps reached every pod in time.
        rollout: from when to when pods were replaced, in seconds from the start.
    """

    chosen: stack.Target
    outputs: dict[str, object]
    registry: ModelRegistry
    swapped: int = 0
    rollout: tuple[float, float] = (0.0, 0.0)
    _rolling: "asyncio.Future[None] | None" = field(default=None, repr=False)

    def twin(self) -> tuple[int, int]:
        """The champion's version, and one that answers the same: its model with an empty line more.

        Raises:
            ModelRefusedError: the champion is not whole.
        """
        champion = self.registry.champion()
        assert champion is not None, "a stack that is up has a champion"  # noqa: S101 - `make up` publishes it
        stored = self.registry.load(champion.version)
        reference = self.registry.file(champion.version, REFERENCE_FILE_NAME, _REFERENCE_LIMIT_BYTES)

        def describe(version: int, file: ModelFile) -> Manifest:
            return stored.manifest.model_copy(update={"version": version, "file": file})

        text = f"{stored.text}\n".encode()
        published = self.registry.publish(text, describe, lambda _version: {REFERENCE_FILE_NAME: reference})
        return champion.version, published.version

    async def play(self, plan: Plan) -> None:
        """Swaps and replaces as planned, from now on.

        Raises:
            ToolchainError: the rollout does not end.
        """
        begun = time.monotonic()
        versions = await asyncio.to_thread(self.twin)
        rolling = asyncio.create_task(self._roll(begun, plan.rollout_at))
        for index, moment in enumerate(plan.swaps_at):
            await asyncio.sleep(max(0.0, begun + moment - time.monotonic()))
            await self._swap(versions[(index + 1) % 2])
        await rolling

    async def _swap(self, version: int) -> None:
        champion = await asyncio.to_thread(self.registry.champion)
        reason = {"actor": "soak", "reason": "swaps under load"}
        await asyncio.to_thread(lambda: self.registry.promote(version, replacing=champion, **reason))
        async with httpx.AsyncClient(timeout=10) as client:
            deadline = time.monotonic() + _SERVED_WITHIN_SECONDS
            while time.monotonic() < deadline:
                await asyncio.sleep(_LOOK_SECONDS)
                with suppress(httpx.HTTPError):
                    if await self._served(client) == {str(version)}:
                        self.swapped += 1
                        return

    async def _served(self, client: httpx.AsyncClient) -> set[str]:
        query = f'scoring_model_info{{model="{self.registry.model}"}}'
        answer = await client.get(f"{self.outputs['prometheus_url']}/api/v1/query", params={"query": query})
        return {one["metric"]["version"] for one in answer.raise_for_status().json()["data"]["result"]}

    async def _roll(self, begun: float, at: float) -> None:
        await asyncio.sleep(max(0.0, begun + at - time.monotonic()))
        name, started = f"deployment/scoring-{self.registry.model}", time.monotonic() - begun
        await asyncio.to_thread(inside.ask, self.chosen, "rollout", "restart", name)
        await asyncio.to_thread(
            inside.ask, self.chosen, "rollout", "status", name, "--timeout=240s", timeout_seconds=250
        )
        self.rollout = (round(started, 1), round(time.monotonic() - begun, 1))
