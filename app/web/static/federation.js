// A client of one federation over REST: asks for its assignments, takes the global model, sends updates, tries again.

import { identity, readModel, writeUpdate } from "/web/documents.js";
import { Diverged } from "/web/shapes.js";

const WAIT_SECONDS = 20; // how long the server holds a request that has no news
const LOOK_SECONDS = 0.25; // and a server that does not hold it is not asked without pause
const REFUSED_SECONDS = 2; // while the server still asks for a round in which this client's update was refused
const FIRST_PAUSE_SECONDS = 0.5, LAST_PAUSE_SECONDS = 30;
const PASSES = new Set([408, 425, 429, 500, 502, 503, 504]); // may be different the next time

// The server's answer was no: `slug` as in its problem.
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.slug = problem.slug ?? "";
    this.remedy = problem.remedy ?? "";
  }
}

export class FederationClient {
  // `away(seconds)` hears when the server did not answer and how long until it is asked again.
  constructor(id, token, signal, away) {
    this.away = away;
    this.path = `/v1/federations/${encodeURIComponent(id)}`;
    this.token = token;
    this.signal = signal;
  }

  // What the federation trains.
  async description() {
    return (await this.request(this.path)).json();
  }

  async assignment() {
    return (await this.request(`${this.path}/assignment?wait=${WAIT_SECONDS}`)).json();
  }

  async model({ model, base }, parameters) {
    const answer = await this.request(`${model}?form=float32`);
    const found = readModel(new Uint8Array(await answer.arrayBuffer()), parameters);
    const own = await identity(found.weights);
    if (own !== null && own !== base) throw new Error("The global model is not the one that the assignment names.");
    return found.weights;
  }

  // The same bytes as often as it takes: the server counts them once.
  async submit({ updates }, update) {
    const body = writeUpdate(update);
    await this.request(updates, { method: "POST", body, headers: { "Content-Type": "application/cbor" } });
    return body.length;
  }

  // Throws Refused for a no; waits and asks again when the server is away or busy.
  async request(path, options = {}) {
    const headers = { ...options.headers, Authorization: `Bearer ${this.token}` };
    for (let seconds = FIRST_PAUSE_SECONDS; ; seconds = Math.min(2 * seconds, LAST_PAUSE_SECONDS)) {
      const answer = await this.attempt(path, { ...options, headers });
      if (answer?.ok) return answer;
      if (answer !== null && !PASSES.has(answer.status)) throw new Refused(answer.status, await problemOf(answer));
      const wait = seconds * (0.5 + Math.random()); // not all clients at the same moment
      this.away(wait);
      await pause(wait, this.signal);
    }
  }

  async attempt(path, options) {
    try {
      return await fetch(path, { ...options, signal: this.signal, cache: "no-store", credentials: "omit" });
    } catch (error) {
      if (this.signal.aborted || !(error instanceof TypeError)) throw error;
      return null; // no connection
    }
  }
}

// Takes part until the federation has ended, with the samples that there are at a round's begin; `tell(what, details)`
// says what happens.
export async function takePart(client, network, samples, tell) {
  let last = null;
  for (;;) {
    const assignment = await client.assignment();
    tell("assignment", assignment);
    if (assignment.action === "done") return;
    if (assignment.action !== "train" || assignment.round === last) {
      await pause(assignment.action === "train" ? REFUSED_SECONDS : LOOK_SECONDS, client.signal);
      continue;
    }
    try {
      await round(client, network, samples(), assignment, tell);
    } catch (error) {
      // Too late, sent already before the page was loaded anew, or diverged: the next round is another one.
      if (error instanceof Diverged) tell("skipped", { round: assignment.round, reason: error.message });
      else if (!(error instanceof Refused) || error.status === 401) throw error;
      else tell("refused", { round: assignment.round, reason: error.message, remedy: error.remedy, slug: error.slug });
    }
    last = assignment.round;
  }
}

async function round(client, network, samples, assignment, tell) {
  const weights = await client.model(assignment, network.parameters);
  network.setWeights(weights);
  const before = await network.score(samples);
  tell("begun", { round: assignment.round, before });
  const chosen = atMost(samples, assignment.training.max_samples);
  const loss = await network.train(chosen, assignment.training, (epoch, value) =>
    tell("epoch", { round: assignment.round, epoch, loss: value }),
  );
  const after = await network.score(samples);
  tell("trained", { round: assignment.round, before, after, loss });
  const { round: number, base } = assignment;
  const update = { round: number, base, samples: chosen.count, weights: await network.weights(), loss };
  const bytes = await client.submit(assignment, update);
  tell("sent", { round: assignment.round, samples: chosen.count, bytes });
}

// The federation's bound on how many samples one client may count for.
function atMost(samples, most) {
  if (most === undefined || most === null || samples.count <= most) return samples;
  const { values, labels, count } = samples;
  const chosen = shuffled(count).slice(0, most);
  const width = values.length / count, answers = (labels?.length ?? 0) / count;
  const kept = new Float32Array(most * width);
  chosen.forEach((from, to) => kept.set(values.subarray(from * width, (from + 1) * width), to * width));
  const told = labels && chosen.flatMap((from) => labels.slice(from * answers, (from + 1) * answers));
  return { values: kept, count: most, labels: told };
}

function shuffled(count) {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1));
    [order[index], order[other]] = [order[other], order[index]];
  }
  return order;
}

async function problemOf(answer) {
  try {
    return await answer.json();
  } catch {
    return {}; // a proxy's page: its status has to do
  }
}

function pause(seconds, signal) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal.removeEventListener("abort", stop), resolve()), seconds * 1000);
    signal.addEventListener("abort", stop, { once: true });
  });
}
