"""Schedules pass through the points that their definitions name."""

import pytest

from mnistnet.nn.schedules import Constant, Cosine, OneCycle, Schedule, Step


def at(schedule: Schedule, epoch: float, epochs: float = 10, step: float = 0.01) -> float:
    return schedule.factor(epoch, epochs, step)


def test_constant_is_one_throughout() -> None:
    assert [at(Constant(), epoch) for epoch in (0, 5, 9.99)] == [1, 1, 1]


def test_step_falls_after_every_so_many_epochs_even_where_steps_do_not_add_up_to_one() -> None:
    schedule = Step(every=3, decay=0.5)
    assert [at(schedule, epoch) for epoch in (0, 2.99, 3, 5.99, 6)] == [1, 1, 0.5, 0.5, 0.25]
    assert at(schedule, sum([0.1] * 30)) == 0.5  # 2.9999999999999996


def test_cosine_goes_from_one_over_the_middle_to_its_final_share() -> None:
    assert at(Cosine(), 0) == 1
    assert at(Cosine(), 5) == pytest.approx(0.5)
    assert at(Cosine(), 10) == pytest.approx(0, abs=1e-12)
    assert at(Cosine(final=0.1), 10) == pytest.approx(0.1)


def test_one_cycle_rises_from_start_to_one_and_falls_to_final() -> None:
    schedule = OneCycle(rise=0.3, start=0.04, final=0.01)
    assert at(schedule, 0) == pytest.approx(0.04)
    assert at(schedule, 3) == pytest.approx(1)
    assert at(schedule, 10) == pytest.approx(0.01)
    rates = [at(schedule, epoch / 10) for epoch in range(100)]
    assert rates.index(max(rates)) == 30


def test_warm_up_rises_in_a_line_and_the_rest_runs_in_what_is_left() -> None:
    schedule = Cosine(warmup=2)
    assert at(schedule, 0, step=0.5) == pytest.approx(0.25)
    assert at(schedule, 1.5, step=0.5) == pytest.approx(1)
    assert at(schedule, 6) == pytest.approx(0.5)
    assert at(Constant(warmup=20), 9, epochs=10, step=1) == pytest.approx(0.5)
