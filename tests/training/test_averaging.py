"""The average of a network's parameters: a plain mean first, an exponential one later."""

import numpy as np

from mnistnet.training.averaging import ParameterAverage


def test_the_average_is_a_plain_mean_first_and_an_exponential_one_later() -> None:
    parameters, average = np.zeros(3), np.zeros(3)
    following = ParameterAverage(parameters, average, decay=0.75)
    seen = [np.array([step, -(step**2), 1.0]) for step in range(1, 7)]
    for steps, values in enumerate(seen, 1):
        parameters[...] = values
        following.update(steps)
        if steps <= 4:
            assert np.allclose(average, np.mean(seen[:steps], axis=0))
    expected = np.mean(seen[:4], axis=0)
    for values in seen[4:]:
        expected = 0.75 * expected + 0.25 * values
    assert np.allclose(average, expected)
