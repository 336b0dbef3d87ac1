"""What genomes need to know of a trunk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrunkFacts:
    """What genomes need to know of the root trunk; plain data.

    Attributes:
        root: Its digest, by which genomes name it.
        components: Digest of each stage of the root, in depth order.
        newest: What a stage that follows starts from: the newest version of its line, the root's where there is none.
        group_ends: Stages that end a group.
        final_norm: Stage that holds the last norm.
        parameters: Parameters of each stage.
        channels: Feature channels behind each stage.
    """

    root: str
    components: tuple[str, ...]
    newest: tuple[str, ...]
    group_ends: tuple[int, ...]
    final_norm: int
    parameters: tuple[int, ...]
    channels: tuple[int, ...]

    @property
    def num_stages(self) -> int:
        """Stages of the root."""
        return len(self.components)
