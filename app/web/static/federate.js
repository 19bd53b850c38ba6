// The page /federate: joins with what stands behind the # of its address, holds the samples, shows the training.

import { draw } from "/web/chart.js";
import { Drawing } from "/web/drawing.js";
import { FederationClient, Refused, takePart } from "/web/federation.js";
import { SamplesError, prepared, readFile } from "/web/samples.js";

const $ = (id) => document.getElementById(id);

const page = {
  client: null,
  network: null,
  samples: null,
  drawing: null,
  leave: null,
  running: false,
  losses: [],
  marks: [], // where rounds begin among the losses
  rows: new Map(),
};

// What comes behind the # is never sent to a server and stands in no log.
function begin() {
  const given = new URLSearchParams(location.hash.slice(1));
  $("federation").value = given.get("federation") ?? "";
  $("token").value = given.get("token") ?? "";
  onClick("join", join);
  onClick("start", start);
  $("stop").addEventListener("click", () => page.leave?.abort(new DOMException("left", "AbortError")));
  $("wipe").addEventListener("click", () => page.drawing.wipe());
  $("file").addEventListener("change", guarded(async () => hold(await readFile($("file").files[0]))));
  if (given.has("federation") && given.has("token")) guarded(join)();
}

async function join() {
  if (page.running) throw new Error("Leave the federation first.");
  page.leave = new AbortController();
  const away = (seconds) =>
    ($("state").textContent = `The server does not answer; it is asked again in ${Math.ceil(seconds)} s.`);
  page.client = new FederationClient($("federation").value.trim(), $("token").value.trim(), page.leave.signal, away);
  const federation = await page.client.description();
  if (federation.trainable === null) throw new Error("The federation is not prepared yet: join in a moment.");
  const { Network } = await tensorflow();
  page.network = await Network.of(federation.trainable);
  $("about").textContent =
    `${federation.name}: ${page.network.task}, ${page.network.inputShape.join("x")} values in, ` +
    `${page.network.outputs} out, ${federation.settings.rounds} rounds.`;
  Object.assign(page, { samples: null, losses: [], marks: [], rows: new Map() }); // of a federation joined before
  $("rounds").replaceChildren();
  $("held").textContent = "No samples yet.";
  $("start").disabled = true;
  $("samples").hidden = $("training").hidden = false;
  offerDrawing();
}

async function tensorflow() {
  const there = await fetch("/web/tf.min.js", { method: "HEAD" });
  if (there.status === 404) throw new Error("TensorFlow.js is not set up on this server: run tools/setup web there.");
  return import("/web/network.js");
}

// --- Samples ---------------------------------------------------------------------------------------------------------

function hold(found) {
  const added = prepared(found, page.network);
  page.samples = page.samples === null ? added : joined(page.samples, added);
  const { count, labels } = page.samples;
  const kinds = page.network.task === "classification" ? ` of ${new Set(labels).size} labels` : "";
  $("held").textContent = `${count} ${count === 1 ? "sample" : "samples"}${kinds} on this machine.`;
  $("start").disabled = page.running;
}

function joined(one, other) {
  const values = new Float32Array(one.values.length + other.values.length);
  values.set(one.values);
  values.set(other.values, one.values.length);
  return { values, count: one.count + other.count, labels: one.labels && [...one.labels, ...other.labels] };
}

function offerDrawing() {
  const [height, width, channels] = page.network.inputShape;
  if (page.network.task !== "classification" || page.network.inputShape.length !== 3 || channels !== 1) return;
  page.drawing ??= new Drawing($("canvas"));
  $("labels").replaceChildren(
    ...page.network.labels.map((name) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      const add = guarded(async () => {
        const values = page.drawing.sample(height, width);
        if (values === null) throw new SamplesError("Nothing is drawn yet.");
        hold({ values, shape: [height, width, 1], count: 1, labels: [name] });
        page.drawing.wipe();
      });
      button.addEventListener("click", add);
      return button;
    }),
  );
  $("drawing").hidden = false;
}

// --- Training --------------------------------------------------------------------------------------------------------

async function start() {
  if (page.leave.signal.aborted) {
    page.leave = new AbortController();
    page.client.signal = page.leave.signal;
  }
  page.running = $("start").disabled = true;
  $("stop").hidden = false;
  try {
    await takePart(page.client, page.network, () => page.samples, tell);
    $("state").textContent = "The federation has ended. Thank you for taking part.";
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    $("state").textContent = "You have left. Take part again whenever you like.";
  } finally {
    page.running = $("start").disabled = false;
    $("stop").hidden = true;
  }
}

function tell(what, { round, ...found }) {
  const words = {
    assignment: () => (found.action === "wait" ? "Waiting for the next round." : null),
    begun: () => `Round ${round}: training.`,
    epoch: () => `Round ${round}, epoch ${found.epoch}: loss ${found.loss.toFixed(4)}.`,
    trained: () => `Round ${round}: sending the update.`,
    sent: () => `Round ${round}: the update was taken.`,
    skipped: () => `Round ${round}: ${found.reason} Nothing was sent.`,
    refused: () => `Round ${round}: ${found.reason} ${found.remedy}`,
  };
  const said = words[what]();
  if (said !== null) $("state").textContent = said;
  if (what === "begun") {
    show(round, { before: scoreText(found.before) });
    page.marks.push(page.losses.length + 1);
  }
  if (what === "epoch") {
    page.losses.push([page.losses.length + 1, found.loss]);
    const lines = [{ points: page.losses, style: "main", dots: page.losses.length < 60 }];
    draw($("chart"), { lines, marks: page.marks, low: 0, xLabel: "epochs" });
  }
  if (what === "trained") show(round, { after: scoreText(found.after), loss: found.loss.toFixed(4) });
  if (what === "sent") show(round, { samples: String(found.samples), update: `taken, ${found.bytes} bytes` });
  if (what === "skipped") show(round, { update: "diverged, nothing sent" });
  if (what === "refused") show(round, { update: `refused: ${found.reason}` });
}

function scoreText({ accuracy, error }) {
  return accuracy === undefined ? `off by ${error.toFixed(4)}` : `${(100 * accuracy).toFixed(1)} %`;
}

function show(round, cells) {
  if (!page.rows.has(round)) {
    const row = $("rounds").insertRow(0);
    row.dataset.round = round;
    for (const name of ["round", "before", "after", "loss", "samples", "update"]) row.insertCell().dataset.cell = name;
    row.cells[0].textContent = round;
    page.rows.set(round, row);
  }
  for (const [name, text] of Object.entries(cells))
    page.rows.get(round).querySelector(`[data-cell="${name}"]`).textContent = text;
}

// --- What goes wrong is said -----------------------------------------------------------------------------------------

function guarded(action) {
  return async () => {
    $("error").hidden = true;
    try {
      await action();
    } catch (error) {
      $("error").textContent = error instanceof Refused ? `${error.message} ${error.remedy}` : error.message;
      $("error").hidden = false;
    }
  };
}

function onClick(id, action) {
  $(id).addEventListener("click", guarded(action));
}

begin();
