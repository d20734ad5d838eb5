"""The lives of things as tables: which states there are, and which moves between them are legal."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

S = TypeVar("S", bound=StrEnum)


class IllegalTransition(Exception):  # noqa: N818 - named as the house's vocabulary has it
    """A move that the table does not hold: our own mistake, or somebody was first."""

    def __init__(self, current: StrEnum, target: StrEnum) -> None:
        super().__init__(f"{type(current).__name__}: {current} may not become {target}")
        self.current = current
        self.target = target


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle(Generic[S]):
    """The legal moves of one kind of thing; the enum's members are the only states.

    Attributes:
        states: the enum.
        initial: the state that a new thing has.
        moves: for every state, the states it may become.

    Raises:
        ValueError: a state without a row, or one that can never be reached; seen at import.
    """

    states: type[S]
    initial: S
    moves: Mapping[S, frozenset[S]]

    def __post_init__(self) -> None:
        missing = set(self.states) - set(self.moves)
        if missing:
            raise ValueError(f"{self.states.__name__}: no row for {', '.join(sorted(missing))}")
        reached = frozenset({self.initial}).union(*self.moves.values())
        if set(self.states) - reached:
            raise ValueError(f"{self.states.__name__}: never reached: {set(self.states) - reached}")

    def may_become(self, current: S, target: S) -> bool:
        """Say whether the table holds this move."""
        return target in self.moves[current]

    def check(self, current: S, target: S) -> None:
        """Refuse a move that the table does not hold, with IllegalTransition."""
        if not self.may_become(current, target):
            raise IllegalTransition(current, target)

    def sources(self, target: S) -> frozenset[S]:
        """Give the states that may become the target: what a guarded UPDATE puts in its WHERE."""
        return frozenset(state for state in self.states if target in self.moves[state])

    @property
    def terminal(self) -> frozenset[S]:
        """The states that nothing leaves."""
        return frozenset(state for state in self.states if not self.moves[state])
