// Strips: a clip's frames side by side, which flip on hover and focus; the player; the keys that mark.
class Strips {
  constructor(page, pictures) {
    Object.assign(this, { page, pictures, addresses: [], frames: page.head.frames });
    this.pictured = pictures.length;
    this.dialog = document.getElementById("player");
    this.dialog.addEventListener("close", () => this.dialog.replaceChildren());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  // Show the second frame of a clip in an element.
  paint(element, clip) {
    if (clip.strip < 0) return;
    this.addresses[clip.strip] ??= URL.createObjectURL(new Blob([this.pictures[clip.strip]], { type: "image/webp" }));
    Object.assign(element.style, {
      backgroundImage: `url(${this.addresses[clip.strip]})`,
      backgroundSize: `${100 * this.frames}% 100%`,
      backgroundPosition: `${100 / (this.frames - 1)}% 0`,
    });
  }

  span(clip) {
    return clip.still ? "image" : `${(+clip.start).toFixed(1)}-${(+clip.end).toFixed(1)} s`;
  }

  element(clip, text = "") {
    const { page } = this, film = make("span", { class: "film", "aria-hidden": "true" }, clip.strip < 0 ? "no pictures" : "");
    this.paint(film, clip);
    const mark = make("span", { class: "mark" });
    const button = make("button", { type: "button", class: "strip", "data-id": clip.id, title: `${clip.file} ${this.span(clip)}`, onclick: () => this.open(clip) },
      film, make("span", { class: "label" }, make("span", {}, text || this.span(clip)), mark));
    button.clip = clip;
    this.dress(button);
    return button;
  }

  dress(button) {
    const { clip } = button, kept = this.page.counts.isSelected(clip.row), mark = this.page.marks.get(clip.id) || "";
    button.classList.toggle("kept", kept);
    button.classList.toggle("lost", !kept);
    const sign = button.querySelector(".mark");
    sign.className = `mark ${mark}`;
    sign.textContent = mark;
    button.setAttribute("aria-label", `${clip.file}, ${this.span(clip)}, ${kept ? "kept" : "lost"}${mark ? `, marked ${mark}` : ""}`);
  }

  dressAll() {
    for (const button of document.querySelectorAll("button.strip")) this.dress(button);
  }

  // G, B and U mark the clip that has the focus, or that is open.
  key(event) {
    const mark = { g: "good", b: "bad", u: "" }[event.key.toLowerCase()];
    if (mark === undefined || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
    const clip = this.dialog.open ? this.shown : document.activeElement?.closest?.("button.strip")?.clip;
    if (!clip) return;
    event.preventDefault();
    this.page.mark(clip, mark);
  }

  address(path) {
    return path.split("/").map(encodeURIComponent).join("/");
  }

  // The clip's file where it was cut, otherwise its span of the source.
  open(clip) {
    this.shown = clip;
    const { page } = this, place = clip.clip ? `../${clip.clip}` : clip.source;
    const away = /^\w+:\/\//.test(place);
    const address = this.address(place) + (clip.clip || clip.still ? "" : `#t=${clip.start},${clip.end}`);
    const big = make("span", { class: "big", "aria-hidden": "true" });
    this.paint(big, clip);
    const fall = (media) => media.replaceWith(big, make("p", { class: "warn" }, `This browser cannot show the file (another codec, or it is not there): ${place}`));
    const media = make(clip.still ? "img" : "video", away ? {} : clip.still ? { src: address, alt: clip.file } : { src: address, controls: true, autoplay: true, muted: true, loop: true, playsinline: true });
    media.muted = true;
    // The page's policy lets it ask no address of a network.
    const shown = away ? make("div", {}, big, make("p", { class: "warn" }, `Its source is not on this machine: ${place}`)) : media;
    media.addEventListener("error", () => fall(media));
    if (!clip.still && !clip.clip) {
      media.addEventListener("timeupdate", () => {
        if (media.currentTime >= +clip.end || media.currentTime < +clip.start - 0.5) media.currentTime = +clip.start;
      });
    }
    const says = make("p", { class: "quiet", role: "status" });
    const say = () => (says.textContent = page.marks.get(clip.id) ? `marked ${page.marks.get(clip.id)}` : "not marked");
    const button = (text, mark) => make("button", { type: "button", class: "do", onclick: () => (page.mark(clip, mark), say()) }, text);
    const scores = page.counts.columns.filter((column) => column.codes[clip.row] < EXEMPT).map((column) => make("tr", {}, make("th", { scope: "row" }, column.title), make("td", { class: "number" }, page.cards[column.index].valueText(clip))));
    this.say = say;
    this.dialog.replaceChildren(shown,
      make("div", { class: "row" }, button("Good (g)", "good"), button("Bad (b)", "bad"), button("Unmark (u)", ""), says,
        make("button", { type: "button", class: "do", style: { marginLeft: "auto" }, onclick: () => this.dialog.close() }, "Close")),
      make("p", {}, make("strong", {}, clip.file), ` ${this.span(clip)}`), make("p", { class: "quiet" }, clip.id),
      clip.why && make("p", { class: "quiet" }, `Rejected now: ${clip.why}`), clip.text ? make("p", { class: "text" }, clip.text) : "",
      make("table", {}, make("tbody", {}, scores)));
    say();
    if (!this.dialog.open) this.dialog.showModal();
  }
}
