// The page /federations: every federation, and one of them round by round, against a model that was trained in one place.

import { draw } from "/web/chart.js";

const LOOK_SECONDS = 2;
const MOST_ROUNDS = 1000;
const ENDED = new Set(["finished", "failed", "cancelled"]);

const $ = (id) => document.getElementById(id);
let shown = 0; // every change of what is shown makes the one before stop looking

class Away extends Error {} // the server does not answer: as while it is started anew

async function get(path) {
  const answer = await fetch(path, { cache: "no-store" }).catch(() => null);
  if (answer === null || answer.status >= 500) throw new Away("The server does not answer; it is asked again.");
  const body = await answer.json();
  if (!answer.ok) throw new Error(`${body.detail} ${body.remedy}`);
  return body;
}

// --- All of them -----------------------------------------------------------------------------------------------------

async function list() {
  const { items } = await get("/v1/federations?limit=200");
  $("list").replaceChildren(
    ...items.map((item) => {
      const link = Object.assign(document.createElement("a"), { textContent: item.name });
      link.href = `#federation=${item.id}`;
      const round = `${item.round} of ${item.settings.rounds}`;
      return row(link, `${item.model}@${item.version}`, round, item.clients, item.state);
    }),
  );
}

function row(...cells) {
  const made = document.createElement("tr");
  for (const cell of cells) made.insertCell().append(cell instanceof Node ? cell : String(cell));
  return made;
}

// --- One of them -----------------------------------------------------------------------------------------------------

async function show() {
  const mine = ++shown;
  const given = new URLSearchParams(location.hash.slice(1));
  $("one").hidden = !given.has("federation");
  if (!given.has("federation")) return;
  $("against").value = given.get("against") ?? "";
  const path = `/v1/federations/${encodeURIComponent(given.get("federation"))}`;
  const other = given.get("against") ? await evaluated(given.get("against")) : null;
  for (;;) {
    const found = await Promise.all([get(path), roundsOf(path)]).catch((error) => error);
    if (mine !== shown) return;
    if (found instanceof Error && !(found instanceof Away)) throw found;
    tellError(found instanceof Away ? found.message : "");
    if (!(found instanceof Away)) {
      const [federation, rounds] = found;
      federated(federation, other);
      $("rounds").replaceChildren(...rounds.map(roundRow));
      if (ENDED.has(federation.state)) return;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_SECONDS * 1000));
  }
}

async function evaluated(reference) {
  const [, model, version] = reference.match(/^([a-z0-9][a-z0-9-]*)@(\d+)$/) ?? [];
  if (model === undefined) throw new Error("A version is written as MODEL@VERSION, such as trained-digits@2.");
  return get(`/v1/models/${model}/versions/${version}/evaluation`);
}

async function roundsOf(path) {
  const found = [];
  let cursor = "";
  do {
    const page = await get(`${path}/rounds?limit=200${cursor}`);
    found.push(...page.items);
    cursor = page.next_cursor === null ? null : `&cursor=${encodeURIComponent(page.next_cursor)}`;
  } while (cursor !== null && found.length < MOST_ROUNDS);
  return found.sort((one, another) => another.round - one.round);
}

function federated(federation, other) {
  $("name").textContent = federation.name;
  $("state").textContent = [
    `${federation.state}, round ${federation.round} of ${federation.settings.rounds}, ${federation.clients} clients.`,
    federation.result && `The average is ${federation.result.model}@${federation.result.version}.`,
    federation.error && `${federation.error.detail} ${federation.error.remedy}`,
  ].filter(Boolean).join(" ");
  const points = federation.history.map(({ round, score }) => [round, score.value]);
  const metric = federation.history.at(-1)?.score.metric;
  const lines = [{ points, style: "main", dots: points.length < 60 }];
  const central = other === null ? null : (other.metric.float32 ?? other.metric.int8);
  if (central !== null && points.length > 0) {
    const [begin, end] = [points[0][0], Math.max(points.at(-1)[0], points[0][0] + 1)];
    lines.push({ points: [[begin, central], [end, central]], style: "other" });
  }
  draw($("chart"), { lines, low: 0, ...(metric === "accuracy" ? { high: 1 } : {}), xLabel: "rounds" });
  const dashed = central === null ? "" : "; dashed: the centralised version";
  const told = metric && `${words(metric)} on the operator's held-out data after each round${dashed}.`;
  $("legend").textContent = told ?? "";
  compare(federation, other, central);
}

function compare(federation, other, central) {
  const last = federation.history.at(-1)?.score;
  $("comparison").hidden = other === null || last === undefined;
  if ($("comparison").hidden) return;
  const same = other.snapshot_sha256 === federation.snapshot_sha256;
  const where = same ? "both on the same held-out data" : "each on held-out data of its own";
  $("measured").textContent = `${words(last.metric)} of float weights, ${where}`;
  $("federated").textContent = scoreText(last.metric, last.value);
  $("centralised").textContent = `${scoreText(last.metric, central)} (${other.model}@${other.version})`;
  const difference = last.value - central;
  $("difference").textContent =
    last.metric === "accuracy" ? `${(100 * difference).toFixed(1)} points` : difference.toFixed(4);
}

function roundRow(found) {
  const of = (state) => found.updates.filter((update) => update.state === state);
  const refused = of("refused").map((update) => `${update.client}: ${update.reason?.detail}`).join("; ");
  const score = found.score === null ? "" : scoreText(found.score.metric, found.score.value);
  return row(found.round, found.state, found.selected.length, of("averaged").length, found.samples, score, refused);
}

const words = (metric) => metric.replaceAll("_", " ").replace(/^./, (letter) => letter.toUpperCase());

const scoreText = (metric, value) => (metric === "accuracy" ? `${(100 * value).toFixed(1)} %` : value.toFixed(4));

// --- What goes wrong is said -----------------------------------------------------------------------------------------

function tellError(text) {
  $("error").textContent = text;
  $("error").hidden = text === "";
}

async function guarded(action) {
  tellError("");
  try {
    await action();
  } catch (error) {
    tellError(error.message);
  }
}

$("compare").addEventListener("click", () => {
  const given = new URLSearchParams(location.hash.slice(1));
  given.set("against", $("against").value.trim());
  location.hash = given.toString();
});
addEventListener("hashchange", () => guarded(show));
guarded(list);
guarded(show);
