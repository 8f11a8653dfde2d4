"""The threshold page in a real browser: its numbers are those of the tables and of a real run; it is safe to open."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scored_run
import yaml
from browser import browser
from clipmill.clips import quotas, thresholds
from clipmill.engine import rejects, tables
from clipmill.report import clips, page
from clipmill.videos import quality
from mill import Mill, footage

HOSTILE = """<script>alert(1)</script>"'&<img src=x onerror=alert(2)>"""
NAME = """<b onmouseover=alert(3)>&"' #1%.mp4"""
COLUMNS = ("aes", "flow", "ocr", "ocr_area", "height", "num_frames")


@pytest.fixture(scope="module")
def chromium():
    with browser() as running:
        yield running


@pytest.fixture
def opened(chromium):
    """Opens a page and gives it; fails where it logs an error or asks for anything but itself."""
    seen, contexts = [], []

    def open_page(path: Path, address: str = "", like: object = None, sources: bool = False, **options):
        """`sources`: footage on this disk may be asked for as well."""
        if like is None:
            like = chromium.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
            contexts.append(like)
        tab = like.new_page()
        tab.on("console", lambda said: seen.append(said.text) if said.type == "error" else None)
        tab.on("pageerror", lambda error: seen.append(str(error)))
        tab.on("dialog", lambda dialog: (seen.append(dialog.message), dialog.dismiss()))
        itself = path.resolve().as_uri()
        own = ("blob:", "file:" if sources else itself)
        tab.on("request", lambda asked: None if asked.url.startswith(own) else seen.append(asked.url))
        tab.goto(itself + address)
        tab.wait_for_selector("#yield strong")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert seen == []


@pytest.fixture(scope="module")
def finished_page(tmp_path_factory):
    """A run that was asked for its page first, with that page as early.html. Never change it: copy it."""
    mill = Mill(tmp_path_factory.mktemp("page") / "mill", report={"enabled": True})
    footage(mill.videos)
    (mill.videos / "video 0.mp4").rename(mill.videos / NAME)
    early = mill.run("score_report")
    assert "caption_clips" not in early.jobs
    (mill.folder / "early.html").write_bytes((mill.results / "report/index.html").read_bytes())
    mill.run()
    return mill


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """3,000 invented clips with scores of every kind, and their page."""
    mill = scored_run.pipeline(tmp_path_factory.mktemp("scored") / "results")
    scored_run.write(mill, scored_run.rows(3000))
    return mill, built(mill)


def built(mill, complete: bool = False, **settings) -> Path:
    out = Path(mill.results) / "report/index.html"
    out.parent.mkdir(exist_ok=True)
    out.write_text(page.build(Path(mill.results), scored_run.settings(mill) | settings, {}, complete))
    return out


def keeps(rows: pd.DataFrame, select: dict) -> pd.Series:
    """Which rows these thresholds keep, by pandas."""
    keep = pd.Series(True, index=rows.index)
    for column, limits in select.items():
        given = {side: limit for side, limit in limits.items() if limit is not None}
        if given:
            passes = rows[column].ge(given.get("min", -math.inf)) & rows[column].le(given.get("max", math.inf))
            exempt = (rows["kind"] == "image") & rows[column].isna() & (column in thresholds.VIDEO_ONLY)
            keep &= passes | exempt
    return keep


def lengths(rows: pd.DataFrame) -> pd.Series:
    """Milliseconds of each clip, 0 for an image."""
    return ((rows["end"] - rows["start"]).fillna(0) * 1000).round()


def scored_rows(results: Path) -> pd.DataFrame:
    """The clips that no scorer rejected."""
    rows, rejected = pd.read_csv(results / "tables/scores.csv"), pd.read_csv(results / "work/rejects/clips.csv")
    return rows[
        ~rows["id"].isin(
            rejected.loc[(rejected["stage"] != "select_clips") | (rejected["reason"] == "duplicate"), "id"]
        )
    ]


def yielded(results: Path, select: dict) -> tuple[int, int]:
    """(clips, milliseconds) that these thresholds keep, from the table of scores."""
    rows = scored_rows(results)
    keep = keeps(rows, select)
    return int(keep.sum()), int(lengths(rows)[keep].sum())


def shown(tab) -> tuple[int, int]:
    """(clips, milliseconds) that the page shows."""
    data = tab.evaluate("({...document.getElementById('yield').dataset})")
    return round(float(data["clips"])), round(float(data["ms"]))


def configured(tab) -> dict:
    return yaml.safe_load(tab.locator("textarea").first.input_value())["select"]


def settled(tab) -> None:
    """Wait until a moved limit is drawn and exported."""
    tab.wait_for_selector("#bar:not([aria-busy=true])")


def test_3600_limits_give_what_pandas_counts(opened, scored):
    mill, path = scored
    results, fixed = Path(mill.results), scored_run.SELECT
    tab = opened(path)
    found = tab.evaluate(
        """(names) => {
          const { counts } = clipmill, found = [];
          for (const name of names) {
            const column = counts.columns.find((one) => one.name === name), now = { ...counts.limits[column.index] };
            const step = column.grid.length / 300;
            for (const side of ["min", "max"]) for (let n = 0; n < 300; n++) {
              const at = Math.floor(n * step);
              counts.limits[column.index] = { ...now, [side]: at };
              counts.refresh(column);
              const { clips, ms } = counts.count([]);
              found.push([name, side, column.grid[at], clips, ms]);
            }
            counts.limits[column.index] = now;
            counts.refresh(column);
          }
          return found;
        }""",
        list(COLUMNS),
    )
    assert len(found) == 3600
    rows = scored_rows(results)
    wrong = []
    others = {column: keeps(rows, {other: fixed[other] for other in fixed if other != column}) for column in COLUMNS}
    length = lengths(rows)
    for column, side, text, count, ms in found:
        limits = fixed.get(column, {}) | {side: yaml.safe_load(text)}
        kept = others[column] & keeps(rows, {column: limits})
        if (int(kept.sum()), int(length[kept].sum())) != (count, ms):
            wrong.append((column, side, text))
    assert wrong == []
    assert len({count for *_, count, _ in found}) > 500, "the limits are tried where they matter"


def test_dragging_typing_and_keys_give_the_yields_of_the_table(opened, scored):
    mill, path = scored
    results, tab = Path(mill.results), opened(path)
    assert shown(tab) == yielded(results, scored_run.SELECT)
    handle, field = tab.locator("#card-aes .handle.min"), tab.locator("#card-aes input").first
    for shift in (40, -75, 160):
        box = handle.bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + 30
        tab.mouse.move(*middle)
        tab.mouse.down()
        tab.mouse.move(middle[0] + shift, middle[1], steps=5)
        tab.mouse.up()
        settled(tab)
        limit = float(field.input_value())
        assert shown(tab) == yielded(results, scored_run.SELECT | {"aes": {"min": limit}}), shift
        assert configured(tab)["aes"]["min"] == limit
    handle.focus()
    for key in ("ArrowRight", "ArrowLeft", "PageUp", "PageDown", "End", "Home", "ArrowUp"):
        before = field.input_value()
        tab.keyboard.press(key)
        settled(tab)
        assert key == "ArrowLeft" or field.input_value() != before
        assert shown(tab) == yielded(results, scored_run.SELECT | {"aes": {"min": float(field.input_value())}}), key
        assert handle.get_attribute("aria-valuetext") == field.input_value()
    tab.keyboard.press("Delete")
    settled(tab)
    assert shown(tab) == yielded(results, scored_run.SELECT | {"aes": {}})
    field.fill("4.98715")
    field.press("Enter")
    settled(tab)
    assert "4.98715 is not on the grid" in tab.locator("#card-aes .said").inner_text()
    assert shown(tab) == yielded(results, scored_run.SELECT | {"aes": {"min": float(field.input_value())}})
    field.fill("many")
    field.press("Enter")
    assert "no number" in tab.locator("#card-aes .said").inner_text()
    again = opened(path, address=tab.evaluate("location.hash"))
    assert shown(again) == shown(tab), "the address holds the settings"
    tab.get_by_role("button", name="Reset").click()
    assert shown(tab) == yielded(results, scored_run.SELECT)
    assert tab.evaluate("location.hash") == ""


def test_each_threshold_says_what_it_does(opened, scored):
    mill, path = scored
    rows, tab = scored_rows(Path(mill.results)), opened(path)
    found = tab.evaluate("""() => { const { found, counts } = clipmill; return Object.fromEntries(counts.columns.map(
        ({ name, index }) => [name, [found.rejects[index], found.alone[index]]])) }""")
    whole = keeps(rows, scored_run.SELECT)
    for column, limits in scored_run.SELECT.items():
        passes = keeps(rows, {column: limits})
        others = keeps(rows, {other: given for other, given in scored_run.SELECT.items() if other != column})
        assert found[column] == [int((~passes).sum()), int((others & ~passes).sum())], column
        assert int(others.sum()) == int(whole.sum()) + found[column][1]
    both = tab.evaluate("""() => { const { found, counts } = clipmill, at = (name) => counts.columns.find(
        (one) => one.name === name).index, [one, other] = [at("aes"), at("flow")].sort((a, b) => a - b);
        return found.both[one * counts.columns.length + other] }""")
    assert both == int((~keeps(rows, {"aes": {"min": 4.5}}) & ~keeps(rows, {"flow": {"min": 0.3}})).sum())
    assert "without a value: rejected" in tab.locator("#card-flow").inner_text()
    assert "images: not judged" in tab.locator("#card-flow").inner_text()


def test_limits_on_every_technical_column_count_as_pandas_does_and_a_duplicate_stays_out(opened, tmp_path):
    random = np.random.default_rng(5)
    select = {name: {"max": 0.97} for name in quality.COLUMNS if name not in ("crop", "deinterlace")}
    mill = scored_run.pipeline(
        tmp_path / "results", select=scored_run.SELECT | select | {"fps": {"max": 60}}, quality={"sound": True}
    )
    found = [
        row | {name: "" if row["kind"] == "image" else tables.number(float(random.random())) for name in select}
        for row in scored_run.rows(2000)
    ]
    scored_run.write(mill, found)
    results, select = Path(mill.results), scored_run.SELECT | select
    table = results / "work/rejects/clips.csv"
    kept = next(tables.read(results / "tables/selected.csv"))
    twin = rejects.rejected(kept, "select_clips", "duplicate", "another one shows the same and stays")
    tables.write(table, rejects.TABLE, sorted([*tables.read(table), twin], key=lambda row: row["id"]))
    tab = opened(built(mill))
    truth = yielded(results, select)
    assert truth[0] > 100
    assert shown(tab) == truth
    loose = tab.evaluate("""() => { const { counts } = clipmill;
        counts.limits = counts.limits.map(() => ({ min: -1, max: -1 }));
        for (const column of counts.columns) counts.refresh(column);
        return counts.count(counts.columns).clips }""")
    assert loose == yielded(results, {})[0] == 2000 - len(scored_rejects(found)) - 1


def test_a_target_shows_groups_quotas_and_other_targets_and_its_configuration_keeps_it(opened, tmp_path):
    target = {"clips": 300, "balance": ["source"]}
    mill = scored_run.pipeline(tmp_path / "results", select=scored_run.SELECT | {"target": target})
    scored_run.write(mill, scored_run.rows(2000))
    results = Path(mill.results)
    selected = list(tables.read(results / "tables/selected.csv"))
    found = quotas.entering(pd.DataFrame(selected), mill.config["select"]["target"])
    groups, left = quotas.groups(found), set(found["id"][~found["stays"]])
    tables.write(results / "tables/groups.csv", ["group", "clips", "stay"], groups.to_dict("records"))
    others = quotas.ladder(found)
    tables.write(results / "tables/targets.csv", list(others[0]), others)
    below = [rejects.rejected(row, "select_clips", "below quota") for row in selected if row["id"] in left]
    table = results / "work/rejects/clips.csv"
    tables.write(table, rejects.TABLE, sorted([*tables.read(table), *below], key=lambda row: row["id"]))
    tables.write(results / "tables/selected.csv", list(selected[0]), [row for row in selected if row["id"] not in left])
    tab = opened(built(mill))
    assert shown(tab)[0] == 300
    section = tab.locator("section", has=tab.locator("#h-target"))
    first, other = section.locator("table").all()
    rows = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in first.locator("tbody tr").all()]
    assert sorted(rows) == sorted(
        [row["group"], str(row["clips"]), str(row["stay"])] for row in groups.to_dict("records")
    )
    assert other.locator("tbody tr").count() == len(quotas.LADDER)
    assert configured(tab)["target"] == mill.config["select"]["target"]


def test_groups_of_duplicates_and_clusters_are_shown_with_their_sizes(opened, tmp_path):
    change = {"duplicates": {"enabled": True}, "clusters": {"number": 3}}
    mill = scored_run.pipeline(tmp_path / "results", score={"aesthetic": {"model": "ViT-L-14"}}, **change)
    scored_run.write(mill, scored_run.rows(300))
    results = Path(mill.results)
    selected = [row["id"] for row in tables.read(results / "tables/selected.csv")]
    same = [{"id": one, "of": selected[0]} for one in selected[1:4]] + [{"id": selected[5], "of": selected[4]}]
    tables.write(results / "tables/duplicates.csv", ["id", "of"], same)
    of = [{"id": one, "cluster": 1 + at // 60, "cluster_size": 60} for at, one in enumerate(selected[:120])]
    tables.write(results / "tables/clusters.csv", list(of[0]), of)
    tab = opened(built(mill))
    section = tab.locator("section", has=tab.locator("#h-duplicates"))
    assert "4 clips go" in section.inner_text()
    assert [head.inner_text() for head in section.locator("h3").all()] == [
        f"{selected[0]} and 3 that go", f"{selected[4]} and 1 that go",
    ]  # fmt: skip
    rows = tab.locator("section", has=tab.locator("#h-clusters")).locator("tbody tr").all()
    assert [row.inner_text().split() for row in rows] == [["1", "60"], ["2", "60"]]


def scored_rejects(found: list[dict]) -> list[dict]:
    """The clips that a scorer rejected."""
    return [row for row in found if rejects.is_reject(row)]


def test_the_copied_configuration_gives_the_counts_that_the_page_foretold(opened, finished_page, tmp_path, chromium):
    mill = finished_page.copy(tmp_path / "mill")
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    tab = opened(mill.results / "report/index.html", like=context)
    scores = pd.read_csv(mill.results / "tables/scores.csv")
    for column, side, limit in (("aes", 0, scores["aes"].quantile(0.3)), ("flow", 1, scores["flow"].quantile(0.8))):
        field = tab.locator(f"#card-{column} input").nth(side)
        field.fill(str(limit))
        field.press("Enter")
    settled(tab)
    clips_, ms = shown(tab)
    pairs = int(tab.evaluate("document.getElementById('yield').dataset.pairs"))
    assert 0 < clips_ < len(scores)
    tab.get_by_role("button", name="Copy configuration").click()
    copied = tab.evaluate("navigator.clipboard.readText()")
    assert f"selects {clips_} of {len(scores)} clips" in copied
    context.close()
    outcome = mill.change(**yaml.safe_load(copied)).run()
    selected = list(tables.read(mill.results / "tables/selected.csv"))
    assert len(selected) == clips_
    assert len(list(tables.read(mill.results / "meta.csv"))) == pairs
    assert sum(round(1000 * (float(row["end"]) - float(row["start"]))) for row in selected if row["end"]) == ms
    assert not outcome.computed, "another threshold computes nothing that is known"
    again = opened(mill.results / "report/index.html")
    assert shown(again) == (clips_, ms), "the new page says the same"


def test_marks_survive_a_reload_and_come_back_from_the_configuration(opened, finished_page, tmp_path, chromium):
    mill = finished_page.copy(tmp_path / "mill")
    context = chromium.new_context(viewport={"width": 1300, "height": 900})
    path = mill.results / "report/index.html"
    tab = opened(path, like=context)
    strips = tab.locator("#card-aes button.strip")
    marked = [strips.nth(number).get_attribute("data-id") for number in (0, 1)]
    for number, key in ((0, "g"), (1, "b")):
        strips.nth(number).focus()
        tab.keyboard.press(key)
    tab.reload()
    tab.wait_for_selector("#yield strong")
    wanted = dict(zip(marked, ["good", "bad"], strict=True))
    assert {key: mark for key, mark in tab.evaluate("[...clipmill.marks]") if mark} == wanted
    assert "1 of 1 good" in tab.locator("main").inner_text() or "0 of 1 good" in tab.locator("main").inner_text()
    with tab.expect_download() as waited:
        tab.get_by_role("button", name="Save marks").click()
    saved = Path(waited.value.path()).read_text()
    context.close()
    assert saved == "id,mark\n" + "".join(f"{key},{mark}\n" for key, mark in sorted(wanted.items()))
    (mill.folder / "marks.csv").write_text(f"{saved}gone-1,good\n")
    outcome = mill.change(marks="marks.csv").run()
    assert set(outcome.jobs) <= {"score_report", "complete_report", "summarize", "draw_figures"}, (
        "marks change the page"
    )
    fresh = opened(path)
    assert dict(fresh.evaluate("[...clipmill.marks]")) == wanted
    assert fresh.evaluate("clipmill.panels.csv()").splitlines() == (mill.folder / "marks.csv").read_text().splitlines()
    (mill.folder / "marks.csv").write_text("id,mark\n")
    assert set(mill.run().jobs) == {"score_report", "complete_report"}, "other marks in the same file"
    (mill.folder / "marks.csv").write_text("id,mark\nx,fine\n")
    assert "line 2 of marks.csv has the mark 'fine'" in mill.run(ok=False).text


def test_before_captioning_the_page_says_so(opened, finished_page):
    tab = opened(finished_page.folder / "early.html")
    text = tab.locator("body").inner_text()
    assert "before captioning" in text
    assert "captions to make" in text
    assert "None yet: captioning follows the selection" in text


def test_a_lost_or_damaged_page_is_made_again(finished_page, tmp_path):
    mill = finished_page.copy(tmp_path / "mill")
    before, report = mill.final(), mill.results / "report"
    (report / "index.html").write_bytes((report / "index.html").read_bytes()[:1000])
    (report / "complete.json").unlink()
    healed = mill.run()
    assert "report/index.html is damaged" in healed.text
    assert "report/complete.json is missing" in healed.text
    assert set(healed.jobs) == {"score_report", "complete_report"}
    assert mill.run().idle
    assert mill.final() == before


def test_clips_play_and_captions_are_found(opened, finished_page):
    """Names may hold anything. A request for the clip itself is no request to a network."""
    tab = opened(finished_page.results / "report/index.html")
    tab.route("**/*.mp4*", lambda route: route.abort())
    wanted = next(row for row in tables.read(finished_page.results / "tables/scores.csv") if row["relpath"] == NAME)
    assert tab.evaluate("clipmill.clips.find((clip) => clip.file.includes('onmouseover')).file") == NAME
    tab.evaluate("(id) => clipmill.strips.open(clipmill.clips.find((clip) => clip.id === id))", wanted["id"])
    assert NAME in tab.locator("dialog").inner_text()
    tab.keyboard.press("Escape")
    field = tab.get_by_role("searchbox")
    field.fill("no such words")
    assert "0 of" in tab.locator(".captions").locator("..").inner_text()
    text = tab.evaluate("clipmill.clips.find((clip) => clip.text).text")
    field.fill(text)
    assert text in tab.locator(".captions").inner_text()


def test_a_click_plays_the_span_of_the_source_until_the_clip_is_cut_and_then_the_clip(opened, finished_page):
    """Seconds are those of the file that plays: a span begins at its start and comes back to it from its end."""
    report = finished_page.results / "report"
    (report / "early.html").write_bytes((finished_page.folder / "early.html").read_bytes())
    ids = {row["id"] for row in tables.read(finished_page.results / "meta.csv")}
    later = next(
        row for row in tables.read(finished_page.results / "tables/scores.csv") if float(row["start"] or 0) > 1
    )
    tab = opened(report / "early.html", sources=True)
    video = played(tab, later["id"])
    start, end = float(later["start"]), float(later["end"])
    assert start - 0.1 <= video.evaluate("(video) => video.currentTime") < end
    back = """(video, [start, end]) => new Promise((done) => {
      const within = () => video.currentTime >= start - 0.1 && video.currentTime < end;
      video.addEventListener("timeupdate", () => within() && done(true));
      setTimeout(() => done(false), 20000);
      video.currentTime = end + 0.2;
    })"""
    assert video.evaluate(back, [start, end])
    tab = opened(report / "index.html", sources=True)
    row = next(
        row for row in tables.read(finished_page.results / "tables/scores.csv") if row["id"] in ids and row["fps"]
    )
    video = played(tab, row["id"])
    assert f"clips/{row['id']}" in video.evaluate("(video) => decodeURIComponent(video.currentSrc)")
    length = float(row["end"]) - float(row["start"])
    assert video.evaluate("(video) => video.duration") == pytest.approx(length, abs=0.1)


def played(tab, id: str):
    """The video of a clip whose picture was clicked on, once it plays."""
    tab.evaluate("(id) => clipmill.strips.open(clipmill.clips.find((clip) => clip.id === id))", id)
    video = tab.locator("dialog video")
    video.evaluate(
        "(video) => video.readyState >= 2 || new Promise((done) => video.addEventListener('loadeddata', done))"
    )
    return video


def test_a_file_that_the_browser_cannot_play_is_named_beside_its_pictures(opened, finished_page, tmp_path):
    mill = finished_page.copy(tmp_path / "mill")
    early = mill.results / "report/early.html"
    early.write_bytes((mill.folder / "early.html").read_bytes())
    row = next(row for row in tables.read(mill.results / "tables/scores.csv") if row["fps"] and row["relpath"] != NAME)
    (mill.videos / row["relpath"]).write_bytes(b"no video" * 1000)
    tab = opened(early, sources=True)
    tab.evaluate("(id) => clipmill.strips.open(clipmill.clips.find((clip) => clip.id === id))", row["id"])
    said = tab.locator("dialog p.warn")
    said.wait_for()
    assert "cannot show the file" in said.inner_text()
    assert row["relpath"] in said.inner_text()
    assert tab.locator("dialog .big").count() == 1


def test_a_source_elsewhere_is_named_and_never_asked_for(opened, tmp_path):
    mill = scored_run.pipeline(tmp_path / "results", videos="s3://bucket/a folder")
    scored_run.write(mill, scored_run.rows(40))
    tab = opened(built(mill))
    tab.evaluate("clipmill.strips.open(clipmill.clips.find((clip) => !clip.still))")
    assert "not on this machine: s3://bucket/a folder/video" in tab.locator("dialog").inner_text()
    assert tab.locator("dialog video").count() == 0


def test_text_of_others_is_shown_as_text(opened, tmp_path):
    mill = scored_run.pipeline(tmp_path / "it's & results")
    found = scored_run.rows(40, name=HOSTILE)
    scored_run.write(mill, found)
    long = HOSTILE + "x" * 10_000
    scored_run.write_captions(mill, list(tables.read(Path(mill.results) / "tables/selected.csv")), text=long)
    tab = opened(built(mill, complete=True))
    assert tab.locator(".captions .text").first.text_content() == long
    assert HOSTILE in tab.locator("button.strip").first.get_attribute("aria-label")
    assert tab.locator("script, img, b").count() == 1, "the page's own script"
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_network_is_out_of_reach(chromium, scored):
    tab = chromium.new_page()
    tab.goto(scored[1].as_uri())
    refused = tab.evaluate(
        """async () => {
          const found = [], refused = () => new Promise((done) => addEventListener(
            "securitypolicyviolation", (event) => done(found.push(event.effectiveDirective)), { once: true }));
          for (const ask of [
            () => fetch("https://example.org").catch(() => {}),
            () => { new Image().src = "https://example.org/a.png"; },
            () => { document.createElement("video").src = "https://example.org/a.mp4"; },
            () => { document.body.append(Object.assign(document.createElement("script"), { textContent: "0" })); },
          ]) {
            const waiting = refused();
            ask();
            await waiting;
          }
          return found;
        }"""
    )
    tab.close()
    assert refused == ["connect-src", "img-src", "media-src", "script-src-elem"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_checker_of_accessibility_finds_no_serious_fault(opened, finished_page, scheme):
    pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python (make env)")
    from axe_playwright_python.sync_playwright import Axe

    tab = opened(finished_page.results / "report/index.html", color_scheme=scheme)
    tab.locator("#card-aes input").first.fill("5")
    tab.locator("#card-aes input").first.press("Enter")
    settled(tab)
    tab.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found = Axe().run(tab).response["violations"]
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert serious == []


@pytest.mark.parametrize("width", [360, 1300])
def test_the_page_fits_a_phone_and_a_laptop(opened, finished_page, width):
    tab = opened(finished_page.results / "report/index.html", viewport={"width": width, "height": 800}, has_touch=True)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    box = tab.locator("#card-aes .handle.min").bounding_box()
    assert box["width"] >= 24, "a finger takes it"


def test_an_empty_run_has_a_page(opened, tmp_path):
    mill = scored_run.pipeline(tmp_path / "results")
    scored_run.write(mill, [])
    scored_run.write_captions(mill, [])
    for complete in (False, True):
        tab = opened(built(mill, complete))
        assert shown(tab) == (0, 0)
        assert "0 of 0 clips" in tab.locator("#yield").inner_text()


def test_above_its_limit_the_page_is_a_sample_and_says_so(opened, tmp_path, monkeypatch):
    monkeypatch.setattr(clips, "EXACT", 2000)
    mill = scored_run.pipeline(tmp_path / "results")
    scored_run.write(mill, scored_run.rows(10_000, seed=4))
    tab = opened(built(mill))
    assert "A stratified sample: " in tab.locator("#top").inner_text()
    truth = yielded(Path(mill.results), scored_run.SELECT)
    assert shown(tab)[0] == truth[0], "what is configured is exact: the kept clips are a stratum"
    assert abs(shown(tab)[1] / truth[1] - 1) < 0.05
    found = tab.evaluate(
        """() => {
          const { counts } = clipmill, column = counts.columns.find((one) => one.name === "aes"), found = [];
          for (let at = 0; at < column.grid.length; at += Math.ceil(column.grid.length / 100)) {
            counts.limits[column.index].min = at;
            counts.refresh(column);
            const { clips, margin } = counts.count([]);
            found.push([column.grid[at], clips, margin]);
          }
          return found;
        }"""
    )
    truth = [yielded(Path(mill.results), scored_run.SELECT | {"aes": {"min": float(text)}})[0] for text, *_ in found]
    within = [abs(clips_ - true) <= margin + 1 for true, (_, clips_, margin) in zip(truth, found, strict=True)]
    assert sum(within) >= 0.9 * len(within)
    assert max(margin for *_, margin in found) > 10


def test_the_settings_that_agree_best_with_marks_are_found(opened, scored, tmp_path):
    """Marks of a person who keeps what has at least 5.2 and at most a tenth of text."""
    mill, _ = scored
    some = [row for row in tables.read(Path(mill.results) / "tables/scores.csv") if row["aes"] and row["flow"]][::20]
    scored_ids = set(scored_rows(Path(mill.results))["id"])
    some = [row for row in some if row["id"] in scored_ids]
    wanted = {"aes": {"min": 5.2}, "ocr_area": {"max": 0.1}, "flow": {"min": 0.3}, "height": {"min": 360}}
    rows = [(row["id"], "bad" if failed(row, wanted) else "good") for row in some]
    (tmp_path / "marks.csv").write_text("id,mark\n" + "".join(f"{identity},{mark}\n" for identity, mark in rows))
    tab = opened(built(mill, marks=str(tmp_path / "marks.csv")))
    tab.get_by_role("button", name="Take these settings").click()
    good = sum(mark == "good" for _, mark in rows)
    assert f"0 of {good} good lost, 0 of {len(rows) - good} bad kept" in tab.locator("main").inner_text()


def failed(row: dict, select: dict) -> bool:
    return any(thresholds.failure(row, column, limits) for column, limits in select.items())
