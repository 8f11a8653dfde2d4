// Clips that show the same, and clips that show the like of each other.
function duplicatesSection(page, { count, clips, groups }) {
  const pictured = new Map(page.clips.filter((clip) => clip.strip >= 0).map((clip) => [clip.id, clip]));
  const show = ({ stays, go }) => {
    const ids = [stays, ...go].filter((id) => pictured.has(id));
    return gallery(page, `${stays} and ${number(go.length)} that go`, ids.map((id) => pictured.get(id)), 6);
  };
  return section("Duplicates",
    make("p", {}, `${clipsOf(clips)} go, because a better one shows the same: ${number(count)} groups${count > groups.length ? `, of which the largest ${groups.length} are shown` : ""}.`),
    make("p", { class: "quiet" }, "The first strip of each group stays. The groups are those of the configured limits; a clip that is not pictured on this page is left out here."),
    make("div", { class: "sides" }, groups.map(show)));
}

function clustersSection({ count, clusters }) {
  return section("Clusters",
    make("p", { class: "quiet" }, `Semantic clusters of the clips that pass the configured limits, ${number(count)} in all. A target may balance them: select.target.balance [cluster].`),
    table([`cluster${count > clusters.length ? ` (the largest ${clusters.length})` : ""}`, "clips"], clusters.map(({ cluster, clips }) => [cluster, number(clips)])));
}
