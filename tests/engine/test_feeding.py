"""Networks are fed with full batches of pictures, whatever clips those are of, by a thread that does nothing else."""

import argparse
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from clipmill.engine.batches import Batches
from clipmill.engine.compute import Compute
from clipmill.engine.feeding import Asked, Feeder, Shared, answered
from clipmill.engine.ranks import Ranks
from clipmill.engine.rejects import Reject
from clipmill.engine.step import Step

SHAPES = [(12, 20), (20, 12), (15, 15), (10, 24)]


def network(rows: int, run=lambda batch: batch.float().flatten(1).sum(dim=1)) -> Batches:
    """A network that runs `rows` rows at once, as on a GPU."""
    batches = Batches(run, 1, "cpu", single=True)
    batches.rows = rows
    return batches


def pictures(count: int, shapes: list[tuple] = SHAPES, seed: int = 0) -> list[torch.Tensor]:
    """Pictures of mixed shapes, three in five of the first one."""
    rng = np.random.default_rng(seed)
    kinds = [shapes[0] if rng.random() < 0.6 else shapes[rng.integers(len(shapes))] for _ in range(count)]
    return [torch.full(kind, float(number)) for number, kind in enumerate(kinds)]


def in_a_stream(feeder: Feeder, clips: list[Asked]) -> list:
    found = [clip for number, asked in enumerate(clips) for clip in feeder.add(number, asked)]
    return [*found, *feeder.finish()]


def test_stills_fill_batches_to_the_last_row():
    of_clips = network(6)
    found = answered([Asked([(of_clips, picture)]) for picture in pictures(20, SHAPES[:1])])
    assert [float(clip.answers[0]) for clip in found] == [240.0 * number for number in range(20)]
    assert of_clips.computed == 24  # 20 in batches of 6; by clips of three frames it would be 60


def test_mixed_shapes_are_computed_with_less_than_a_tenth_of_rows_for_nothing():
    for rows in (8, 16, 32):
        mixed = network(rows)
        found = in_a_stream(Feeder(), [Asked([(mixed, picture)]) for picture in pictures(2000)])
        assert sorted(clip.owner for clip in found) == list(range(2000))
        assert all(float(clip.answers[0]) == clip.owner * clip.asked.inputs[0][1].numel() for clip in found)
        assert mixed.computed / 2000 < 1.1


def test_what_waits_is_bounded_where_every_picture_has_a_shape_of_its_own():
    odd, feeder, waiting = network(4), Feeder(), []
    for number in range(300):
        list(feeder.add(number, Asked([(odd, torch.zeros(number + 1))])))
        waiting.append(sum(map(len, feeder.waiting.values())))
    assert max(waiting) <= 16 * 4


def test_a_clip_is_given_back_once_with_the_answers_of_several_networks_in_order():
    twice, once = network(3, lambda batch: 2 * batch), network(4, lambda batch: batch)
    clips = [
        Asked([(twice, torch.full((2,), float(n))), (once, torch.full((5,), float(n)))] * (n % 4), n) for n in range(30)
    ]
    found = in_a_stream(Feeder(), clips)
    assert sorted(clip.owner for clip in found) == list(range(30))
    for clip in found:
        n = clip.owner
        assert [answer.tolist() for answer in clip.answers] == [[2.0 * n] * 2, [float(n)] * 5] * (n % 4)


def test_results_are_fetched_when_the_next_batch_has_begun():
    order = []

    def run(batch):
        order.append(f"begin {int(batch[0, 0])}")
        return batch

    feeder, late = Feeder(), network(1, run)
    for number in range(4):
        order += [f"have {clip.owner}" for clip in feeder.add(number, Asked([(late, torch.full((1,), float(number)))]))]
    order += [f"have {clip.owner}" for clip in feeder.finish()]
    assert order == ["begin 0", "begin 1", "have 0", "begin 2", "have 1", "begin 3", "have 2", "have 3"]


def spoilt(batch):
    if (batch == 7).any():
        raise ValueError("seven")
    return batch


def test_a_fault_in_a_batch_is_that_of_the_clips_that_fail_alone():
    bad = network(4, spoilt)
    found = in_a_stream(Feeder(), [Asked([(bad, torch.full((2,), float(n)))] * 2) for n in range(12)])
    assert sorted(clip.owner for clip in found) == list(range(12))
    assert {clip.owner: repr(clip.error) for clip in found if clip.error} == {7: "ValueError('seven')"}
    assert all(answer.tolist() == [clip.owner] * 2 for clip in found if not clip.error for answer in clip.answers)


def test_a_fault_of_the_environment_is_no_clips_fault():
    def full(batch):
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        in_a_stream(Feeder(), [Asked([(network(2, full), torch.zeros(1))]) for _ in range(3)])


def test_threads_that_ask_while_a_network_is_busy_share_the_next_batches():
    begun, go = threading.Event(), threading.Event()

    def run(batch):
        begun.set()
        go.wait(60)
        return 2 * spoilt(batch)

    busy = network(8, run)
    busy.device = "a GPU"  # whose batches are made on the CPU here
    busy.begin = lambda chunk: run(torch.stack(chunk))
    shared = Shared(busy)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(shared, [torch.zeros(1)])
        assert begun.wait(60)
        rest = [pool.submit(shared, [torch.full((1,), float(n))] * 2) for n in range(1, 9)]
        while len(shared.queue) < 16:
            threading.Event().wait(0.01)
        go.set()
        assert [float(answer) for answer in first.result()] == [0]
        for n, asked in enumerate(rest, 1):
            if n == 7:
                with pytest.raises(ValueError, match="seven"):
                    asked.result()
            else:
                assert [float(answer) for answer in asked.result()] == [2.0 * n] * 2
    # One alone, sixteen together in two batches; seven's batch is tried again one by one.
    assert busy.computed <= 8 * (1 + 2 + 8)


class Doubles(Step):
    """`twice`: two times the number of an item, by a network; notes which threads do what."""

    columns = ("twice",)
    asks = True
    batch = 5

    def load(self):
        self.threads_of = {"network": set(), "conclude": set(), "prepare": set()}
        self.network = network(4, self.run)

    def run(self, batch):
        self.threads_of["network"].add(threading.get_ident())
        return 2 * spoilt(batch)

    def prepare(self, row):
        self.threads_of["prepare"].add(threading.get_ident())
        if row["id"] == "3":
            raise Reject("three is refused")
        return Asked([(self.network, torch.full((1,), float(row["id"])))] * (row["id"] != "5"), row["id"])

    def conclude(self, row, rest, answers):
        self.threads_of["conclude"].add(threading.get_ident())
        assert rest == row["id"]
        if row["id"] == "9":
            raise Reject("nine is refused", "late")
        return {"twice": float(answers[0]) if answers else 0}


class Counted:
    """A progress that only counts."""

    done = 0

    def start(self):
        pass

    def add(self, count: int):
        self.done += count


def test_a_job_prepares_and_concludes_in_its_workers_and_loses_no_row(tmp_path):
    step, kept, progress = Doubles({}, tmp_path, tmp_path, tmp_path), {}, Counted()
    step.batch = 5
    (tmp_path / "file").touch()
    rows = [{"id": str(number), "relpath": "file"} for number in range(23)]
    args = argparse.Namespace(threads=2, item_minutes=1, max_error_share=0.5)

    def keep(row, values):
        assert row["id"] not in kept
        assert threading.get_ident() == threading.main_thread().ident
        kept[row["id"]] = values

    compute = Compute(step, "doubles", args, Ranks(), len(rows), keep)
    compute.run(rows, progress, after_batch=lambda: None)
    assert progress.done == 23
    truth = {str(number): {"twice": 2.0 * number} for number in range(23)} | {"5": {"twice": 0}}
    faults = {name: kept[name]["reason"] for name in ("3", "7", "9")}
    assert faults == {"3": "three is refused", "7": "unexpected error", "9": "nine is refused"}
    assert {name: values for name, values in kept.items() if name not in faults} == {
        name: values for name, values in truth.items() if name not in faults
    }
    assert step.threads_of["network"] == {threading.main_thread().ident}
    assert threading.main_thread().ident not in step.threads_of["conclude"] | step.threads_of["prepare"]


class Lanes(Step):
    """Counts to its number on a device that one batch has at a time, then takes its time with the answer."""

    columns = ("said",)
    lanes = 2
    batch = 3

    def load(self):
        self.turn, self.begun = threading.Lock(), [threading.Event() for _ in range(5)]

    def prepare(self, row):
        if row["id"] == "4":
            raise Reject("four is refused")
        return int(row["id"])

    def compute(self, rows, prepared):
        number = prepared[0] // 3
        assert self.turn.acquire(blocking=False), "two batches on the device"
        self.begun[number].set()
        self.turn.release()
        # The last words of a batch come after the next one has begun.
        assert number == 4 or self.begun[number + 1].wait(60)
        if number == 3:
            raise OSError("disk")
        return [Reject("seven is refused") if item == 7 else {"said": item} for item in prepared]


def test_answers_are_understood_and_kept_while_the_device_has_the_next_batch(tmp_path):
    step, kept = Lanes({}, tmp_path, tmp_path, tmp_path), {}
    step.batch = 3
    (tmp_path / "file").touch()
    rows = [{"id": str(number), "relpath": "file"} for number in range(15)]
    args = argparse.Namespace(threads=2, item_minutes=1, max_error_share=0.5)
    compute = Compute(step, "lanes", args, Ranks(), len(rows), lambda row, values: kept.update({row["id"]: values}))
    with pytest.raises(OSError, match="disk"):
        compute.run(rows, Counted(), after_batch=lambda: None)
    good = {str(number): {"said": number} for number in range(9) if number not in (4, 7)}
    assert {name: kept[name]["reason"] for name in ("4", "7")} == {"4": "four is refused", "7": "seven is refused"}
    assert good.items() <= kept.items()
