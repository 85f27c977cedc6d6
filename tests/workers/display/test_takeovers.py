"""Workers that take over from each other, brokers that use numbers again, checkpoints that go back: each tick once, in order."""

import random

import pytest
from display_worker_fixture import DisplayWorkerFixture

from hulak.workers.display.managed_display import Phase

SYMBOLS = ["X", "Y", "XY"]


class Walk:
    """A world to which random things happen.

    Args:
        seed: of what happens.
    """

    def __init__(self, seed):
        self.draw = random.Random(seed)
        self.world = DisplayWorkerFixture(hold=self.draw.choice([1, 5, 1000]))
        self.epoch, self.former = 1, {}
        common = [self.tick, self.give, self.begin, self.answer]
        self.steps = [*common, *common, self.assign, self.world.write_down, *[self.rarely] * 2]

    def step(self):
        self.draw.choice(self.steps)()
        self.world.now += self.draw.random()

    def rarely(self):
        """Do what costs much to come back from."""
        self.draw.choice([self.take_over, self.take_over, self.lose, self.wake, *[self.tick] * 4])()

    def tick(self):
        self.world.tick(*self.draw.choices(SYMBOLS, k=self.draw.randrange(4)))

    def give(self):
        self.world.give(self.draw.randrange(1, 6))

    def begin(self):
        self.world.begin()

    def answer(self):
        self.world.answer(self.draw.randrange(1, 5), cut=self.draw.randrange(1, 9))

    def assign(self):
        draw, world = self.draw, self.world
        first = draw.randrange(1, len(world.journal) + 2)
        world.assign(f"d{draw.randrange(5)}", draw.choice(SYMBOLS), draw.choice(["me", "me", "you"]), first=first)

    def take_over(self):
        """Another worker comes; it may be a little behind the one before."""
        world = self.world
        world.take_over()
        world.given = world.display_set.position = self.draw.randrange(max(1, world.given - 4), world.given + 1)

    def lose(self):
        """The broker comes back without its last ticks, and gives a number again."""
        world = self.world
        if world.given > 3:
            self.epoch += 1
            world.lose(world.journal[: self.draw.randrange(world.given - 2)], self.epoch)
            world.tick(self.draw.choice(SYMBOLS))
            world.given = len(world.journal)
            world.give()

    def wake(self):
        """A worker that was frozen wakes, and writes down what it had."""
        disk = self.world.disk
        self.former, disk.files = dict(disk.files), {**disk.files, **self.former}

    def check_live(self):
        world = self.world
        for held in world.display_set.held.values():
            if held.phase is Phase.LIVE:
                assert held.state.bids == [bid for bid in world.wanted(held.id) if bid < max(world.given, held.begins)]


@pytest.mark.parametrize("seed", range(80))
def test_however_workers_take_over_each_tick_is_folded_once_in_order(seed):
    walk = Walk(seed)
    for _ in range(300):
        walk.step()
        walk.check_live()
    walk.world.settle()
    walk.world.check()


def test_the_walks_take_up_and_refuse_checkpoints():
    counts = {"used": 0, "refused": 0}
    for seed in range(20):
        walk = Walk(seed)
        for _ in range(300):
            before = walk.world.display_set
            walk.step()
            if walk.world.display_set is not before:
                for name in counts:
                    counts[name] += before.checkpoints.counters[name]
    assert min(counts.values()) > 20
