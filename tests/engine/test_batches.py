"""Batches have one fixed shape, give back what was put in, and become smaller where memory runs out."""

import pytest
import torch
from clipmill.engine.batches import CPU_ROWS, Batches


def items(count: int) -> list:
    return [torch.full((2, 3), float(number)) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 3, CPU_ROWS, 9])
@pytest.mark.parametrize("single", [False, True])
def test_each_item_gets_its_own_result_from_batches_of_one_shape(count, single):
    shapes = set()

    def total(batch):
        shapes.add(tuple(batch.shape))
        return batch.sum(dim=(1, 2))

    results = Batches(total, 64, "cpu", single=single)(items(count))
    assert results.tolist() == [6 * number for number in range(1, count + 1)]
    assert shapes == {(1 if single else CPU_ROWS, 2, 3)}


def limited(rows: int):
    """A network that runs out of memory above this number of rows."""

    def run(batch):
        if len(batch) > rows:
            raise torch.OutOfMemoryError
        return batch.sum(dim=(1, 2))

    return run


def test_a_batch_that_does_not_fit_is_halved_until_it_does_and_stays_so(capsys):
    batches = Batches(limited(6), 64, "cpu")
    batches.rows = 32
    assert batches(items(40)).tolist() == [6 * number for number in range(1, 41)]
    assert batches.rows == CPU_ROWS
    assert "4 rows" in capsys.readouterr().err


def test_the_error_is_raised_where_there_is_no_smaller_batch():
    with pytest.raises(torch.OutOfMemoryError):
        Batches(limited(0), 64, "cpu")(items(2))
