"""Takes the camera's motion out of a flow field: what remains is the motion of things.

The camera's motion is the similarity (shift, scale, turn) that most of the picture's rim shares, by RANSAC: things
move in the middle more often than along the rim (see `background`). Where no majority of the rim agrees, it is that
of most of the picture. Only places count that have texture, since flow in a plain area is a guess, and that the
camera leaves in the picture. What remains below a tolerance is the error of the flow and of the model, and counts as
none; a camera that travels past near things leaves more.
"""

import numpy as np

STEP = 8
"""Pixels between the points of the field that are looked at."""
RIM = 0.15
"""Share of each side that is the rim."""
TEXTURE = 2.0
"""Standard deviation, in grey levels over 9 x 9 pixels, from which on a place has texture."""
LEAST = 0.5, 0.1
"""Tolerance in pixels, and as a share of the field's median length."""
MAJORITY = 0.5
"""Share of the rim's points that must agree."""
POINTS = 24
"""Fewest points with texture that tell a camera's motion."""


def apart(flow: np.ndarray, grey: np.ndarray) -> tuple[float, float]:
    """(camera, things): the mean length of the camera's motion over the picture, and of what remains, in pixels.

    flow: HxWx2, from `grey` (HxW uint8) to the next picture. Where nothing can be told (a plain picture), both are 0.
    """
    height, width = grey.shape
    points = np.mgrid[STEP // 2 : height : STEP, STEP // 2 : width : STEP][::-1].reshape(2, -1).T
    moves = flow[points[:, 1], points[:, 0]].astype(np.float32)
    has_texture = _texture(grey)[points[:, 1], points[:, 0]] >= TEXTURE
    if has_texture.sum() < POINTS:
        return 0.0, 0.0
    centred = (points - [(width - 1) / 2, (height - 1) / 2]).astype(np.float32)
    known, true = centred[has_texture], moves[has_texture]
    tolerance = LEAST[0] + LEAST[1] * float(np.median(np.linalg.norm(true, axis=1)))
    camera = _camera(known, true, tolerance, (height, width))
    by_camera = _field(camera, centred)
    rest = np.linalg.norm(moves - by_camera, axis=1)
    stays = (np.abs(centred + by_camera) < np.array([width, height]) / 2).all(axis=1)
    rest[(rest <= tolerance) | ~has_texture | ~stays] = 0
    return float(np.linalg.norm(by_camera, axis=1).mean()), float(rest.mean())


def _camera(points: np.ndarray, moves: np.ndarray, tolerance: float, size: tuple[int, int]) -> np.ndarray:
    """The similarity (2x3) about the picture's centre that the rim shares; otherwise most of the picture."""
    height, width = size
    on_rim = (np.abs(points) > np.array([width, height]) * (0.5 - RIM)).any(axis=1)
    if on_rim.sum() >= POINTS:
        camera, agree = _similarity(points[on_rim], moves[on_rim], tolerance)
        if agree >= MAJORITY:
            return camera
    return _similarity(points, moves, tolerance)[0]


def _similarity(points: np.ndarray, moves: np.ndarray, tolerance: float) -> tuple[np.ndarray, float]:
    """The similarity (2x3) that most of the points follow, and the share of those; the median shift where there is
    none."""
    import cv2

    cv2.setRNGSeed(0)
    found, agree = cv2.estimateAffinePartial2D(
        points, points + moves, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=500, confidence=0.995
    )
    if found is None:
        return np.column_stack([np.eye(2), np.median(moves, axis=0)]), 0.0
    return found, float(agree.mean())


def _field(camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where a similarity moves points to, from where they are."""
    return points @ camera[:, :2].T + camera[:, 2] - points


def _texture(grey: np.ndarray) -> np.ndarray:
    """Standard deviation of the grey levels around each pixel."""
    import cv2

    picture = grey.astype(np.float32)
    mean, square = cv2.blur(picture, (9, 9)), cv2.blur(picture * picture, (9, 9))
    return np.sqrt(np.maximum(square - mean * mean, 0))
