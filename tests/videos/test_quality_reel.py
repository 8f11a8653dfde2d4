"""Precision and recall of the technical columns, at the limits that docs/thresholds.md starts with, on films with known
faults: a film with one fault must not be taken for another's."""

import cv2
import numpy as np
import pytest
from test_quality import PHOTOGRAPHS, SIZE, bars, film, graded, moving, photograph, woven

LIMITS = {"borders": 0.05, "blur": 0.6, "clipped": 0.4, "noise": 10}
LIMITS |= {"combed": 0.1, "frozen": 0.5, "slideshow": 0, "black": 0.1}
RANDOM = np.random.default_rng(0)


def soft(pictures, sigma):
    return [cv2.GaussianBlur(picture, (0, 0), sigma) for picture in pictures]


def grainy(pictures, sigma):
    """Grain of so many levels of the luma: the same in all colours."""
    grain = RANDOM.normal(0, sigma, (len(pictures), *pictures[0].shape[:2], 1))
    return [np.clip(picture + one, 0, 255).astype(np.uint8) for picture, one in zip(pictures, grain, strict=True)]


def bright(pictures, gain):
    return [np.clip(picture * float(gain), 0, 255).astype(np.uint8) for picture in pictures]


def slides(name, frames):
    stills = [photograph(other)[: SIZE[1], : SIZE[0]] for other in [name, *(set(PHOTOGRAPHS) - {name})]]
    return [still for still in stills for _ in range(frames)]


def pan(name, count):
    """A camera that pans by four pixels a moment."""
    picture = photograph(name, (320 + 4 * count, SIZE[1]))
    return [picture[: SIZE[1], 4 * n : 4 * n + 320] for n in range(count)]


def films(name):
    """(pictures, the columns that should be over their limit) of films of one photograph."""
    width, height = SIZE
    shown = moving(40, name)
    yield shown, set()
    yield pan(name, 40), set()
    yield grainy(shown, 4), set()
    yield soft(shown, 0.6), set()
    yield [picture for picture in moving(20, name) for _ in range(2)], set()
    for share in (0.03, 0.05, 0.1, 0.15, 0.2):
        yield bars(shown, top=round(share * height), bottom=round(share * height)), {"borders"}
        yield bars(shown, left=round(share * width), right=round(share * width)), {"borders"}
    for sigma in (3, 4):
        yield soft(shown, sigma), {"blur"}
    for sigma in (16, 22):
        yield grainy(shown, sigma), {"noise"}
    yield bright(shown, 6), {"clipped"}
    yield woven(pan(name, 80)), {"combed"}
    yield moving(15, name) + [shown[14]] * 30, {"frozen"}
    yield slides(name, 20), {"frozen", "slideshow"}
    yield shown + [np.zeros_like(shown[0])] * 10, {"black"}


@pytest.mark.slow
def test_each_check_finds_its_fault_and_no_other(tmp_path):
    seen = []
    for name in PHOTOGRAPHS:
        for number, (pictures, faults) in enumerate(films(name)):
            path = film(tmp_path / f"{name}{number}.mp4", pictures, crf=4)  # more would take the grain away
            found = graded(path, tmp_path)
            seen.append((faults, {check for check, limit in LIMITS.items() if found[check] > limit}, name, number))
    for check in LIMITS:
        true = sum(check in faults for faults, *_ in seen)
        said = sum(check in found for _, found, *_ in seen)
        both = sum(check in faults & found for faults, found, *_ in seen)
        wrong = [(name, number) for faults, found, name, number in seen if (check in faults) != (check in found)]
        print(f"{check}: {true} of {len(seen)} films; recall {both / true:.2f}, precision {both / said:.2f}; {wrong}")
        assert both / true >= 0.9, check
        assert both / said >= 0.9, check
