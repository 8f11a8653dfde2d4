"""Near-duplicates: what was re-encoded, scaled, cropped, mirrored or shifted is found, look-alikes are not; the groups
depend on no order, and on no steps in which clips are added."""

import cv2
import numpy as np
import skimage.data
from clipmill.clips import duplicates, hashes
from find_duplicates import remembered
from hash_clips import HashClips

SIZE = (320, 180)


def photograph(name):
    return getattr(skimage.data, name)()


def shot(name, begin=0, count=8, left=0, top=0):
    """A camera that drifts over a photograph, a picture each half second."""
    scene = cv2.resize(photograph(name), (480, 300))
    return [scene[top + 4 * n :][: SIZE[1], left + 6 * n :][:, : SIZE[0]] for n in range(begin, begin + count)]


def text(pictures):
    """The column `hashes` of a clip that shows these."""
    found = [hashes.of(np.ascontiguousarray(picture)) for picture in pictures]
    return " ".join(":".join(f"{value:016x}" for value in frame) for frame in found if frame)


def coded(picture, quality):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def cropped(picture, share):
    height, width = picture.shape[:2]
    top, left = round(height * share / 2), round(width * share / 2)
    return picture[top : height - top, left : width - left]


COPIES = {
    "re-encoded": lambda name: [coded(picture, 20) for picture in shot(name)],
    "scaled": lambda name: [cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA) for picture in shot(name)],
    "squeezed": lambda name: [cv2.resize(picture, (240, 240)) for picture in shot(name)],
    "cropped": lambda name: [cropped(picture, 0.1) for picture in shot(name)],
    "mirrored": lambda name: [picture[:, ::-1] for picture in shot(name)],
    "mirrored, cropped and re-encoded": lambda name: [coded(cropped(p, 0.18)[:, ::-1], 40) for p in shot(name)],
    "shifted in time": lambda name: shot(name, begin=2),
    "brighter": lambda name: [np.clip(picture * 0.8 + 40, 0, 255).astype(np.uint8) for picture in shot(name)],
}
NAMES = ("astronaut", "coffee", "chelsea", "rocket")


def found(clips: dict[str, str]) -> set:
    held = duplicates.Hashed.of(sorted(clips.items()))
    return set(duplicates.pairs(held, np.ones(len(held.ids), bool)))


def test_copies_are_found_and_look_alikes_are_not():
    """Recall at least 0.9, precision 1."""
    clips, true = {}, set()
    for number, name in enumerate(NAMES):
        clips[f"{number:016x}-00000000"] = text(shot(name))
        for kind, copy in enumerate(COPIES.values()):
            identity = f"{number:08x}{kind + 1:08x}-00000000"
            clips[identity] = text(copy(name))
            true.add(tuple(sorted((identity, f"{number:016x}-00000000"))))
        # A look-alike: the same place, seen from elsewhere; and the same light with other things in it.
        clips[f"a{number:015x}-00000000"] = text(shot(name, left=90, top=70))
        clips[f"b{number:015x}-00000000"] = text([cv2.GaussianBlur(p[::-1], (0, 0), 20) for p in shot(name)])
    originals = {f"{number:016x}-00000000" for number in range(len(NAMES))}
    pairs = {pair for pair in found(clips) if originals & set(pair)}
    missed = true - pairs
    assert len(true & pairs) / len(true) >= 0.9, missed
    assert pairs <= true


def test_clips_of_one_video_and_plain_pictures_are_no_duplicates():
    same = text(shot("coffee"))
    plain = text([np.full((180, 320, 3), 90, np.uint8)] * 8)
    assert plain == ""
    clips = {"0a-00000000": same, "0a-00000100": same, "0b-00000000": plain, "0c-00000000": plain}
    assert found(clips) == set()
    assert found({**clips, "0d-00000000": same}) == {("0a-00000000", "0d-00000000"), ("0a-00000100", "0d-00000000")}


def test_one_frame_in_common_makes_no_duplicates():
    title = shot("rocket", count=1)
    clips = {"0a-00000000": text(title + shot("coffee")), "0b-00000000": text(title + shot("chelsea"))}
    assert found(clips) == set()
    image = {"0c-00000000": text(shot("coffee", count=1)), "0d-00000000": text([coded(*shot("coffee", count=1), 50)])}
    assert found(image) == {("0c-00000000", "0d-00000000")}


def test_no_near_pair_of_hashes_is_missed():
    rng = np.random.default_rng(0)
    made = rng.integers(0, 2**64 - 1, 3000, np.uint64)
    for copy in range(1500):
        bits = rng.choice(64, copy % 8, replace=False).astype(np.uint64)
        made[copy] = made[copy + 1500] ^ np.bitwise_or.reduce(np.uint64(1) << bits, initial=np.uint64(0))
    pairs = {pair for part in hashes.near(made, made) for pair in zip(*(side.tolist() for side in part), strict=True)}
    distances = np.bitwise_count(made[:, None] ^ made[None])
    assert pairs == set(zip(*(side.tolist() for side in np.nonzero(distances <= hashes.RADIUS)), strict=True))


def test_the_hash_of_a_mirrored_picture_is_known_without_it():
    for name in NAMES:
        picture = np.ascontiguousarray(shot(name)[0])
        there, back = hashes.of(picture)[0], hashes.of(np.ascontiguousarray(picture[:, ::-1]))[0]
        assert bin(there ^ int(hashes.MIRROR) ^ back).count("1") <= 2


def test_groups_depend_on_no_order_and_no_steps(tmp_path):
    rng = np.random.default_rng(1)
    clips = {}
    for number in range(200):
        scene = number % 60
        frames = np.random.default_rng(scene).integers(0, 2**63, (4, 3), np.uint64)
        noisy = frames ^ (np.uint64(1) << rng.integers(0, 63, (4, 3), np.uint64))
        clips[f"{number * 7919 % 9973:016x}-00000000"] = " ".join(
            ":".join(f"{part:016x}" for part in frame) for frame in noisy.tolist()
        )
    names = sorted(clips)
    at_once = remembered(tmp_path / "once.csv", {name: clips[name] for name in names})
    assert len(duplicates.groups(at_once)) == 60
    order = rng.permutation(names).tolist()
    for end in range(20, 201, 20):
        stepwise = remembered(tmp_path / "steps.csv", {name: clips[name] for name in sorted(order[:end])})
    assert stepwise == at_once
    fewer = {name: clips[name] for name in names[:150]}
    assert remembered(tmp_path / "steps.csv", fewer) == remembered(tmp_path / "new.csv", fewer)
    assert duplicates.groups(at_once[::-1]) == duplicates.groups(at_once)


def test_what_is_known_is_not_compared_again(tmp_path, monkeypatch):
    clips = {f"{number:016x}-00000000": text(shot(name)) for number, name in enumerate(NAMES)}
    first = remembered(tmp_path / "known.csv", clips)
    compared = []
    near = hashes.near
    monkeypatch.setattr(hashes, "near", lambda one, other: compared.append(len(one) * len(other)) or near(one, other))
    assert remembered(tmp_path / "known.csv", clips) == first
    assert sum(compared) == 0
    more = {**clips, "f" * 16 + "-00000000": text(COPIES["re-encoded"]("coffee"))}
    assert remembered(tmp_path / "known.csv", more) == [("0000000000000001-00000000", "f" * 16 + "-00000000")]


def test_the_best_of_a_group_stays():
    rows = [
        {"id": "a", "aes": "5", "resolution": "100"},
        {"id": "b", "aes": "6", "resolution": "100"},
        {"id": "c", "aes": "6", "resolution": "400"},
        {"id": "d", "aes": "6", "resolution": "400"},
    ]
    assert duplicates.best(rows)["id"] == "c"
    assert duplicates.best([{"id": "b", "resolution": "1"}, {"id": "a", "resolution": "1"}])["id"] == "a"


def test_the_step_hashes_up_to_sixteen_frames(tmp_path):
    from numbered_video import write
    from one_file import Scanned

    write(tmp_path / "a.mp4", 500, 25)
    source = Scanned(tmp_path / "a.mp4", tmp_path)
    step = HashClips({"frames_from": {"source": "store"}}, tmp_path, tmp_path, tmp_path / "frames")
    ((found,),) = ([result["hashes"] for result in step.compute([clip], [None])] for clip in source.clips[:1])
    assert 10 <= len(found.split()) <= 17
