// Sends files and folders from an upload page by the tus protocol, in place of the plain form. Laws: what is stored is
// never sent again, whatever broke, a closed tab included; a file is done when the gateway says that it has all of it.
document.getElementById("plain").replaceWith(document.getElementById("sending").content);
const root = document.getElementById("send");
const find = (name) => root.querySelector(`[data-${name}]`);
const texts = JSON.parse(root.dataset.texts);
const base = location.pathname;
const AT_ONCE = 4;
const TRIES = 12;
const STALLED = 60000;
const DAY = 86400000;
const PIECE = 16 * 1024 ** 2;
const MORE = 2;
const GAIN = 1.2;
const FAR = 8000;
const REST = 60000;
const jobs = [];
const waiting = [];
let running = 0;
let paused = false;
const wake = [];

const sleep = (time) => new Promise((go) => setTimeout(go, time));
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
function size(bytes) {
  const power = bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10);
  return `${number.format(bytes / 1024 ** power)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

// Where an upload goes on is kept by the file's place, size and time, for as long as the gateway keeps it.
const kept = {
  read(key) {
    try {
      const [at, url] = JSON.parse(localStorage.getItem(key) ?? "[]");
      return Date.now() - at < DAY ? url : null;
    } catch {
      return null;
    }
  },
  write(key, url) {
    try {
      if (url) localStorage.setItem(key, JSON.stringify([Date.now(), url]));
      else localStorage.removeItem(key);
    } catch {
      // Then a closed tab's files are sent from the beginning.
    }
  },
  prune() {
    for (const key of Object.keys(localStorage)) if (key.startsWith("upload ") && !this.read(key)) this.write(key);
  },
};

class Refusal extends Error {}

function call(job, method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let timer;
    const moved = (event) => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALLED);
      job.sent.set(request, event?.loaded ?? 0);
      job.show();
    };
    request.open(method, url);
    for (const [name, value] of Object.entries({ "Tus-Resumable": "1.0.0", ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = moved;
    request.onloadend = () => {
      clearTimeout(timer);
      job.sent.delete(request);
      if (request.status) resolve(request);
      else reject(new Error(texts.network));
    };
    moved();
    request.send(body);
  });
}

// What can be mended by asking again is an error, anything else is a refusal with its reason.
function fault(request) {
  let reason;
  try {
    reason = JSON.parse(request.responseText).reason;
  } catch {
    // Not every answer on the way is ours.
  }
  const { status } = request;
  const again = status >= 500 || [408, 423, 429].includes(status) || ["upload_busy", "offset_mismatch"].includes(reason);
  const found = new (again ? Error : Refusal)(texts[reason] ?? `${texts.failed} (${reason ?? status})`);
  // A request that broke holds the upload until it has been silent for two seconds.
  found.after = Number(request.getResponseHeader("Retry-After")) * 1000 || (status === 423 ? 2500 : 0);
  return found;
}

// By which the gateway knows an upload again whose beginning was not answered.
const newMark = () => `${Math.floor(Date.now() / 1000)}-${hex(crypto.getRandomValues(new Uint8Array(16)))}`;

class Job {
  constructor(file, path) {
    Object.assign(this, { file, path, offset: 0, moved: 0, tries: 0, part: 0, rate: 0, before: 0 });
    this.use(0, 0);
    Object.assign(this, { sent: new Map(), there: new Set(), taken: new Set() });
    this.key = `upload ${base} ${path} ${file.size} ${file.lastModified}`;
    this.row = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = `${path} (${size(file.size)})`;
    this.bar = document.createElement("progress");
    this.bar.setAttribute("aria-label", path);
    this.said = document.createElement("span");
    this.row.append(name, this.bar, this.said);
    find("list").append(this.row);
    this.tell("waiting");
  }

  tell(state, text) {
    this.state = state;
    this.said.textContent = text ?? texts[state];
    this.said.className = state === "failed" ? "bad" : "soft";
    this.bar.hidden = state !== "sending";
    total();
  }

  show() {
    const moved = [...this.sent.values()].reduce((sum, one) => sum + one, this.offset + this.there.size * this.part);
    this.moved = Math.min(moved, this.file.size);
    this.bar.value = this.file.size ? this.moved / this.file.size : 1;
    total();
  }

  button(text, act) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "second", textContent: text });
    button.onclick = () => {
      button.remove();
      act();
    };
    this.row.append(button);
  }

  async ask(method, url, status, headers, body) {
    const answer = await call(this, method, url, headers, body);
    if (answer.status !== status) throw Object.assign(fault(answer), { status: answer.status });
    return answer;
  }

  stand(answer) {
    this.offset = Number(answer.getResponseHeader("Upload-Offset"));
    this.whole = this.offset >= this.file.size;
    this.part = Number(answer.getResponseHeader("Upload-Part-Size")) || this.part;
  }

  async find() {
    const known = kept.read(this.key) ?? "";
    if (known.includes("/")) this.url ??= known;
    else this.mark ??= known || newMark();
    if (!this.url) return;
    try {
      const answer = await this.ask("HEAD", this.url, 200);
      this.stand(answer);
      this.there.clear();
      for (const run of (answer.getResponseHeader("Upload-Ahead") ?? "").split(",")) {
        const [first, last = first] = run.split("-");
        for (let at = first - 1; first && at < last; at += 1) this.there.add(at);
      }
    } catch (error) {
      if (![404, 410].includes(error.status)) throw error;
      this.url = null;
      this.mark = newMark();
      kept.write(this.key);
    }
    // Asks whether it is free, before much is sent in vain.
    if (this.url && !this.whole) await this.append(this.offset);
  }

  async create() {
    const [name, ...above] = this.path.split("/").reverse();
    const folder = above.reverse().map((step) => `${encodeURIComponent(step)}/`).join("");
    const type = this.file.type ? `,filetype ${encoded(this.file.type)}` : "";
    kept.write(this.key, this.mark);
    const answer = await this.ask("POST", folder ? base.replace(/\/?$/, "/") + folder : base, 201, {
      "Upload-Key": this.mark,
      "Upload-Length": this.file.size,
      "Upload-Metadata": `filename ${encoded(name)}${type}`,
    });
    this.url = answer.getResponseHeader("Location");
    this.stand(answer);
    kept.write(this.key, this.url);
  }

  async patch(who, from, to, more) {
    const [body, began] = [this.file.slice(from, to), Date.now()];
    const headers = { "Upload-Offset": from, "Content-Type": "application/offset+octet-stream", ...more };
    const answer = await this.ask("PATCH", this.url, 204, headers, body);
    if (body.size && began >= this.changed) this.rates[who] = body.size / (Date.now() - began);
    return answer;
  }

  async append(end) {
    this.stand(await this.patch(0, this.offset, end));
    while (this.there.delete(this.offset / this.part)) this.offset += this.part;
  }

  // From the beginning on, in one stream, which is cut now and then so that others may send what comes later.
  async stream() {
    while (this.offset < this.file.size && !paused) {
      const { file, part, offset } = this;
      const parts = this.others ? 1 : Math.max(1, Math.floor((FAR * this.rate) / part));
      const ends = [...this.there, ...this.taken, Math.floor(offset / part) + parts].map((at) => at * part);
      this.end = part ? Math.min(file.size, ...ends) : file.size;
      if (this.end <= offset) break;
      await this.append(this.end);
      this.judge();
    }
  }

  // Tries further connections, and keeps them if all are clearly faster together, by one request of each.
  judge() {
    const [rates, free] = [this.rates.filter(Boolean), Math.min(MORE, AT_ONCE - running)];
    if (rates.length <= this.others) return;
    this.rate = rates.reduce((sum, rate) => sum + rate);
    if (this.rate < GAIN * this.before) return this.use(0, REST);
    this.before = 0;
    if (this.others || free < 1 || Date.now() < this.rests || !this.part) return;
    if (this.file.size - this.moved < FAR * this.rate) return;
    this.before = this.rate;
    this.use(free, 0);
    for (let who = 1; who <= free; who += 1) this.helping = Promise.all([this.helping, this.help(who)]);
  }

  stop() {
    for (const request of this.sent.keys()) request.abort();
  }

  use(others, rest) {
    const now = Date.now();
    Object.assign(this, { others, rates: [], changed: now, rests: now + rest });
  }

  // Sends whole parts by another connection, the last one first.
  async help(who) {
    running += 1;
    const { file, part, there, taken } = this;
    for (let at = Math.ceil(file.size / part) - 1; who <= this.others && !paused && at * part >= this.end; at -= 1) {
      if (there.has(at) || taken.has(at)) continue;
      taken.add(at);
      try {
        await this.patch(who, at * part, (at + 1) * part, { "Upload-Ahead": 1 });
        there.add(at);
        this.judge();
      } catch {
        this.use(Math.min(this.others, who - 1), REST / 6);
      }
      taken.delete(at);
    }
    running -= 1;
    work();
  }

  async send() {
    this.tell("sending");
    this.digest ??= digest(this.file).catch(() => "");
    for (let known = -1; !this.whole; ) {
      try {
        if (paused) this.rests = await new Promise((go) => wake.push(go));
        await this.helping;
        await this.find();
        if (!this.url) await this.create();
        if (this.offset > known) this.tries = 0;
        known = this.offset;
        await this.stream();
      } catch (error) {
        this.use(0, REST / 6);
        this.stop();
        if (paused) continue;
        if (error instanceof Refusal || ++this.tries > TRIES) return this.fail(error);
        await pause(Math.max(error.after ?? 0, Math.min(30000, 250 * 2 ** this.tries)), this);
      }
    }
    this.show();
    const hash = await this.digest;
    this.tell("done", hash ? `${texts.done} SHA-256 ${hash}` : texts.done);
    this.row.dataset.sha256 = hash;
    if (root.dataset.undo !== undefined) this.button(texts.undo, () => this.undo());
  }

  fail(error) {
    this.tell("failed", error.message);
    this.button(texts.again, () => {
      this.tries = 0;
      this.tell("waiting");
      waiting.push(this);
      work();
    });
  }

  async undo() {
    try {
      await this.ask("DELETE", this.url, 204);
      kept.write(this.key);
      this.tell("undone");
    } catch (error) {
      this.tell("done", error.message);
    }
  }
}

// Until the time is over, or the network is said to be there again.
async function pause(time, job) {
  job.said.textContent = texts.retrying;
  await Promise.race([sleep(time), new Promise((go) => addEventListener("online", go, { once: true }))]);
  job.said.textContent = texts.sending;
}

// SHA-256 in hex. Of a large file it is that of the digests of its pieces, with their number, as S3 has it: a browser's
// own takes all bytes at once, and over HTTPS alone.
async function digest(file) {
  const sha256 = async (blob) => new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  if (file.size <= PIECE) return hex(await sha256(file));
  const found = [];
  for (let at = 0; at < file.size; at += PIECE) found.push(await sha256(file.slice(at, at + PIECE)));
  return `${hex(await sha256(new Blob(found)))}-${found.length}`;
}

function total() {
  const count = (...states) => jobs.filter((job) => states.includes(job.state)).length;
  const sum = (bytes) => jobs.reduce((all, job) => all + bytes(job), 0);
  const [bytes, moved] = [sum((job) => job.file.size), sum((job) => (job.state === "failed" ? 0 : job.moved))];
  const values = { done: count("done"), count: jobs.length, moved: size(moved), bytes: size(bytes) };
  const text = texts.total.replace(/{(\w+)}/g, (_, name) => values[name]);
  find("all").value = bytes ? moved / bytes : Number(jobs.length > 0);
  if (find("total").textContent !== text) find("total").textContent = text;
  Object.assign(root.dataset, { left: count("waiting", "sending"), failed: count("failed") });
}

async function work() {
  if (running >= AT_ONCE || paused || !waiting.length) return;
  running += 1;
  const job = waiting.shift();
  work();
  await job.send();
  running -= 1;
  work();
}

function add(file, path) {
  if (jobs.some((job) => job.path === path && ["waiting", "sending"].includes(job.state))) return;
  const job = new Job(file, path);
  jobs.push(job);
  waiting.push(job);
  find("progress").hidden = false;
  total();
  work();
}

async function walk(entry, above) {
  if (entry.isFile) return add(await new Promise((resolve, reject) => entry.file(resolve, reject)), above + entry.name);
  const reader = entry.createReader();
  for (let found; (found = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) {
    for (const one of found) await walk(one, `${above}${entry.name}/`);
  }
}

for (const input of root.querySelectorAll("input[type=file]")) {
  input.onchange = () => {
    for (const file of input.files) add(file, file.webkitRelativePath || file.name);
    input.value = "";
  };
}
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  for (const item of event.dataTransfer.items) {
    const entry = item.webkitGetAsEntry();
    if (entry) walk(entry, "");
  }
});
addEventListener("paste", (event) => {
  for (const file of event.clipboardData.files) add(file, file.name);
});
addEventListener("beforeunload", (event) => {
  if (Number(root.dataset.left)) event.preventDefault();
});
find("pause").onclick = (event) => {
  paused = !paused;
  event.target.textContent = paused ? texts.resume : texts.pause;
  if (paused) for (const job of jobs) if (job.state === "sending") job.stop();
  if (!paused) for (const go of wake.splice(0)) go(0);
  for (let free = running; free < AT_ONCE; free += 1) work();
};
kept.prune();
