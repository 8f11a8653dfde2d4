"""Whether a run has captions at all: what follows a captioner that is switched off depends on it."""

from clipmill.videos import lists


def expected(config: dict) -> bool:
    """Whether clips are captioned, or bring a caption: in a list's column `text`, or in files next to theirs."""
    given = config["caption"]["given"]
    if config["caption"]["enabled"] or given in ("sidecars", "both"):
        return True
    videos = config["videos"]
    return given == "column" and lists.is_list(videos) and "text" in lists.columns(videos, ["text"])
