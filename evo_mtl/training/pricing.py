"""The price of a genome for one task: planned work, and what keeping it would add."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evo_mtl.evolution.candidate import Cost
from evo_mtl.genome.genome import Genome, line_name
from evo_mtl.network.cost import (
    adapter_parameters,
    answer_multiply_adds,
    further_parts,
    further_work,
    line_multiply_adds,
    stage_parameters,
)
from evo_mtl.network.kinds.kind import Spec, head_kind, parameters_of, work_of
from evo_mtl.network.layout import TrunkLayout
from evo_mtl.network.specs import open_specs


@dataclass(frozen=True)
class Pricing:
    """A ``CostModel`` for one task's turn.

    Attributes:
        layout: The root trunk.
        num_train, num_validation, num_classes: Of the task.
        users: Component digest, or name of a line of versions that routes follow, to the number of routes that use it, the root trunk's route among
            them, the active task's own former route not.
        image_size: The space's default size, for the root's multiply-adds.
        validations: Validations while a child trains.
        uncounted: Components that the root trunk's route does not help to pay for; they still count as
            having been there before.
        folds: Parts of the training images that are left out in turn; a copy is fitted without each.
        online: Whether each example comes once: it is answered, and then learned from while it is there.
    """

    layout: TrunkLayout
    num_train: int
    num_validation: int
    num_classes: int
    users: Mapping[str, int]
    image_size: int
    validations: int
    uncounted: frozenset[str] = frozenset()
    folds: int = 0
    online: bool = False

    def root(self) -> tuple[int, float]:
        """Parameters of the root trunk, and multiply-adds of one image at the default size."""
        work = line_multiply_adds(self.layout, len(self.layout.channels), (), self.image_size)
        return sum(stage_parameters(self.layout.name, self.layout.cut)), float(sum(work))

    def pass_of_root(self) -> float:
        """Multiply-adds of one pass of the root trunk over the training images at the default size."""
        return self.num_train * self.root()[1]

    def cost(self, genome: Genome, until: int | None = None, views: int | None = None) -> Cost:
        """The cost of trying a genome and of keeping it.

        Args:
            genome: What is tried.
            until: The validation at which its training was given up; ``None`` for its end. What comes before
                training is charged in full.
            views: Of an image, whose answers are averaged; as many as there may be when ``None``.
        """
        most = genome.get("answer_views", 1)
        stages = line_multiply_adds(self.layout, genome.depth, genome.adapters, genome.image_size)
        head = open_specs(genome, self.layout, self.num_classes)["head"]
        work = work_of(head, ())
        first = genome.first_open if genome.head.trained else genome.depth
        frozen = sum(stages[:first]) + further_work(genome, self.layout)
        open_, finished = sum(stages[first:]) + work.trained, work.fixed

        trained, forward, once = self._streamed(genome) if self.online else self._repeated(genome, until)
        parts = [*self._parts(genome), (None, parameters_of(head))]
        users = [(0 if component is None else self.users.get(component, 0)) for component, _ in parts]
        return Cost(
            images=trained + forward,
            multiply_adds=float(
                frozen * once + finished * (trained + forward) + open_ * (3 * trained + forward)
            )
            + self._solution(genome, head),
            active_parameters=sum(count for _, count in parts),
            added_parameters=sum(count for (_, count), n in zip(parts, users, strict=True) if n == 0),
            accounted_parameters=sum(
                count / (n if component in self.uncounted else n + 1)
                for (component, count), n in zip(parts, users, strict=True)
            ),
            inference=float(answer_multiply_adds(genome, self.layout, head))
            * (most if views is None else views),
        )

    def _streamed(self, genome: Genome) -> tuple[int, int, int]:
        """Examples that steps are taken on, that are answered, and that go through the frozen stages: online."""
        repeats = genome["repeats"] if genome.head.trained else 0
        return self.num_train * repeats, self.num_train, self.num_train

    def _repeated(self, genome: Genome, until: int | None) -> tuple[int, int, int]:
        """The same where the training images are there as long as they are wanted."""
        way = head_kind(genome.head.kind)
        looks = 1 if genome.head.component is None or way.reads_again else 0
        views = genome.views if genome.head.trained else 1
        passes = genome["epochs"] if genome.head.trained else 0
        last = self.validations if until is None else until
        checks = last + 1 if genome.head.trained else 1
        # Each image is left out by one copy: together they are fitted on all images, one time less than there are parts.
        fits = max(self.folds, 1)
        trained = math.ceil(self.num_train * passes * fits * last / self.validations)
        answered = self.num_validation + (self.num_train if self.folds else 0)
        finished = genome.head.trained and genome["head_finish"] == "ridge"
        seen_again = genome.get("answer_views", 1) - 1
        forward = self.num_train * (looks + finished) * fits + answered * (checks + finished + seen_again)
        once = self.num_train * views + self.num_validation + answered * seen_again
        return trained, forward, once

    def _solution(self, genome: Genome, head: Spec) -> float:
        """Multiply-adds of the head's closed form, where it has one."""
        solution = head_kind(genome.head.kind).solution
        kept = self.num_train - self.num_train // self.folds if self.folds else 0
        copies = self.folds * solution(head, genome, kept) if self.folds else 0
        return solution(head, genome, self.num_train) + copies

    def _parts(self, genome: Genome) -> Iterator[tuple[str | None, int]]:
        """Component, or line, (``None`` for one of its own) and parameters of every stage and adapter, each once."""
        counts = stage_parameters(self.layout.name, self.layout.cut)
        own = genome.head.trained  # under a solved head nothing is cloned
        for i, gene in enumerate(genome.stages):
            copy = line_name(genome.root, i) if gene.follows else None
            yield copy if gene.open and own else gene.component, counts[i]
        for adapter in genome.adapters:
            count = adapter_parameters(self.layout, adapter)
            yield None if adapter.open and own else adapter.component, count
        yield from further_parts(genome, self.layout)
