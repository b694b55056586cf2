// Sends files and folders from an upload page by the tus protocol, in place of the plain form. Laws: what is stored is
// never sent again, whatever broke, a closed tab included; a file is done when the gateway says that it has all of it.
document.getElementById("plain").replaceWith(document.getElementById("sending").content);
const root = document.getElementById("send");
const find = (name) => root.querySelector(`[data-${name}]`);
const texts = JSON.parse(root.dataset.texts);
const base = location.pathname;
// Connections, tries in a row, further connections of one file, and by how much these have to be faster together.
const [AT_ONCE, TRIES, MORE, GAIN] = [4, 12, 2, 1.2];
// Milliseconds; `FAR` is what has to be left to send for further connections.
const [MINUTE, DAY, FAR] = [6e4, 864e5, 8e3];
const PIECE = 2 ** 24;
const [jobs, waiting, wake, latest] = [[], [], [], {}];
let [left, running, drawing, paused, store] = [0, 0, 0, 0, {}];
try {
  store = localStorage;
} catch {
  // Then a closed tab's files are sent from the beginning.
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const sum = (numbers) => numbers.reduce((all, one) => all + one, 0);
const make = (tag, has) => Object.assign(document.createElement(tag), has);
function size(bytes) {
  const power = Math.floor(Math.log2(bytes || 1) / 10);
  const told = (bytes / 1024 ** power).toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 });
  return `${told} ${["", "Ki", "Mi", "Gi", "Ti"][power]}B`;
}

// Where an upload goes on is kept by the file's place, size and time, for as long as the gateway keeps it.
function recall(key) {
  const [at, url] = (store[key] ?? "").split(" ");
  return Date.now() - at < DAY ? url : "";
}

function keep(key, url) {
  try {
    store[key] = `${Date.now()} ${url}`;
  } catch {
    // It is full.
  }
}

// What can be mended by asking again, `after` some time, or is `final`.
function fault(request) {
  const { status } = request;
  // An answer to HEAD has no text.
  const reason = /"reason": *"([^"]+)"/.exec(request.responseText)?.[1] ?? (status === 401 && "password_required");
  const mends = [0, 408, 423, 429, "offset_mismatch"];
  return {
    status,
    message: (status ? texts[reason] : texts.network) ?? `${texts.failed} (${reason || status})`,
    final: status < 500 && !mends.includes(status) && !mends.includes(reason),
    // A request that broke holds the upload until it has been silent for two seconds.
    after: request.getResponseHeader("Retry-After") * 1000 || (status === 423 ? 2500 : 0),
  };
}

// By which the gateway knows an upload again whose beginning was not answered.
const newMark = () => `${Math.floor(Date.now() / 1000)}-${hex(crypto.getRandomValues(new Uint8Array(16)))}`;

function rouse() {
  for (const go of wake.splice(0)) go();
}

class Job {
  offset = 0;
  moved = 0;
  part = 0;
  rate = 0;
  before = 0;
  open = false;
  sent = new Map();
  there = new Set();
  taken = new Set();

  constructor(file, path, key) {
    Object.assign(this, { file, path, key });
    this.use(0, 0);
    this.row = make("li");
    const name = make("span");
    name.append(make("bdi", { textContent: path }), ` (${size(file.size)})`);
    this.bar = make("progress", { ariaLabel: path });
    this.said = make("span");
    this.row.append(name, this.bar, this.said);
    find("list").append(this.row);
    find("progress").hidden = false;
    jobs.push(this);
    latest[key] = this;
  }

  begin() {
    this.tries = 0;
    this.tell("waiting");
    this.button(texts.remove, () => this.remove());
    waiting.push(this);
    work();
  }

  tell(state, text) {
    const open = ["waiting", "sending"].includes(state);
    left += open - this.open;
    root.dataset.left = left;
    Object.assign(this, { state, open });
    this.said.textContent = text ?? texts[state];
    this.said.className = state === "failed" ? "bad" : "soft";
    this.bar.hidden = state !== "sending";
    if (!open) this.row.querySelector("button")?.remove();
    draw();
  }

  show() {
    const moved = sum([this.offset, this.there.size * this.part, ...this.sent.values()]);
    this.moved = Math.min(moved, this.file.size);
    this.bar.value = this.moved / this.file.size || 0;
    draw();
  }

  button(text, act) {
    const ariaLabel = `${text}: ${this.path}`;
    const button = make("button", { className: "second", textContent: text, ariaLabel });
    button.onclick = () => {
      button.remove();
      act();
    };
    this.row.append(button);
  }

  ask(method, url, status, headers, body) {
    return new Promise((go, fail) => {
      const request = new XMLHttpRequest();
      let timer;
      const moved = (event) => {
        clearTimeout(timer);
        timer = setTimeout(() => request.abort(), MINUTE);
        this.sent.set(request, event?.loaded ?? 0);
        this.show();
      };
      request.open(method, url);
      for (const [name, value] of Object.entries({ "Tus-Resumable": "1.0.0", ...headers })) {
        request.setRequestHeader(name, value);
      }
      request.upload.onprogress = moved;
      request.onloadend = () => {
        clearTimeout(timer);
        this.sent.delete(request);
        if (request.status === status) go((field) => request.getResponseHeader(field));
        else fail(fault(request));
      };
      moved();
      request.send(body);
    });
  }

  stand(field) {
    this.offset = Number(field("Upload-Offset"));
    this.whole = this.offset >= this.file.size;
    this.part = Number(field("Upload-Part-Size")) || this.part;
  }

  async find() {
    const known = recall(this.key);
    if (known.includes("/")) this.url ??= known;
    else this.mark ??= known || newMark();
    if (!this.url) return;
    try {
      const field = await this.ask("HEAD", this.url, 200);
      this.stand(field);
      this.there.clear();
      for (const run of (field("Upload-Ahead") ?? "").split(",")) {
        const [first, last = first] = run.split("-");
        for (let at = first - 1; first && at < last; at += 1) this.there.add(at);
      }
    } catch (error) {
      if (![404, 410].includes(error.status)) throw error;
      this.url = null;
      this.mark = newMark();
      delete store[this.key];
    }
    // Asks whether it is free, before much is sent in vain.
    if (this.url && !this.whole) await this.append(this.offset);
  }

  async create() {
    const steps = this.path.split("/");
    const name = steps.pop();
    const folder = steps.map((step) => `${encodeURIComponent(step)}/`).join("");
    const type = this.file.type ? `,filetype ${encoded(this.file.type)}` : "";
    keep(this.key, this.mark);
    const field = await this.ask("POST", folder ? base.replace(/\/?$/, "/") + folder : base, 201, {
      "Upload-Key": this.mark,
      "Upload-Length": this.file.size,
      "Upload-Metadata": `filename ${encoded(name)}${type}`,
    });
    this.url = field("Location");
    this.stand(field);
    keep(this.key, this.url);
  }

  async patch(who, from, to, more) {
    const [body, began] = [this.file.slice(from, to), Date.now()];
    const headers = { "Upload-Offset": from, "Content-Type": "application/offset+octet-stream", ...more };
    const field = await this.ask("PATCH", this.url, 204, headers, body);
    if (body.size && began >= this.changed) this.rates[who] = body.size / (Date.now() - began);
    return field;
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
    this.rate = sum(rates);
    if (this.rate < GAIN * this.before) return this.use(0, MINUTE);
    this.before = 0;
    const near = this.file.size - this.moved < FAR * this.rate;
    if (this.others || free < 1 || Date.now() < this.rests || !this.part || near) return;
    this.before = this.rate;
    this.use(free, 0);
    for (let who = 1; who <= free; who += 1) this.helping = Promise.all([this.helping, this.help(who)]);
  }

  stop() {
    for (const request of this.sent.keys()) request.abort();
  }

  use(others, rest) {
    Object.assign(this, { others, rates: [], changed: Date.now(), rests: Date.now() + rest });
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
        this.use(Math.min(this.others, who - 1), MINUTE / 6);
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
        while (paused && !this.gone) await new Promise((go) => wake.push(go));
        await this.helping;
        if (this.gone) return await this.undo();
        // Throws if the file has changed or gone since it was chosen, which looks like a network that broke else.
        await this.file.slice(0, 1).arrayBuffer();
        await this.find();
        if (!this.url) await this.create();
        if (this.offset > known) this.tries = 0;
        known = this.offset;
        if (!this.gone) await this.stream();
      } catch (error) {
        this.use(0, MINUTE / 6);
        this.stop();
        if (error.name) return this.fail({ message: texts.unread });
        if (paused && !this.gone) continue;
        if (error.final || ++this.tries > TRIES) return this.fail(error);
        await this.rest(error.after);
      }
    }
    this.show();
    const hash = await this.digest;
    const name = decodeURIComponent(this.url.split("?")[0].split("/").slice(3).pop() ?? "");
    // A link may give names of its own.
    this.tell("done", [texts.done, this.path.endsWith(name) ? "" : name, hash && `SHA-256 ${hash}`].join(" "));
    this.row.dataset.sha256 = hash;
    if ("undo" in root.dataset)
      this.button(texts.undo, () => this.undo().catch((error) => this.tell("done", error.message)));
  }

  fail(error) {
    this.moved = 0;
    this.tell("failed", error.message);
    this.button(texts.again, () => this.begin());
  }

  // What has begun is taken back by whoever sends it.
  remove() {
    this.gone = true;
    if (this.state === "waiting") return this.tell("undone");
    if (this.url) this.stop();
    rouse();
  }

  async undo() {
    if (this.url) await this.ask("DELETE", this.url, 204);
    delete store[this.key];
    this.tell("undone");
  }

  // Until it may be asked again, or the network is said to be there.
  async rest(after) {
    this.said.textContent = texts.retrying;
    await new Promise((go) => {
      setTimeout(go, Math.max(after, Math.min(3e4, 250 * 2 ** this.tries)));
      addEventListener("online", go, { once: true });
    });
    this.said.textContent = texts.sending;
  }
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

// Only what is new about whole files is said aloud.
function draw() {
  drawing ||= setTimeout(() => {
    drawing = 0;
    const meant = jobs.filter((job) => job.state !== "undone");
    const count = (state) => meant.filter((job) => job.state === state).length;
    const [bytes, moved] = [sum(meant.map((job) => job.file.size)), sum(meant.map((job) => job.moved))];
    const failed = count("failed");
    let text = texts.total.replace("{done}", count("done")).replace("{count}", meant.length);
    const total = find("total");
    if (failed) text += `, ${texts.failed}: ${failed}`;
    find("all").value = bytes ? moved / bytes : !left;
    find("pause").hidden = !left;
    find("moved").textContent = `${size(moved)} / ${size(bytes)}`;
    if (total.textContent !== text) total.textContent = text;
  }, 50);
}

async function work() {
  if (running >= AT_ONCE || paused || !waiting.length) return;
  running += 1;
  const job = waiting.shift();
  work();
  if (!job.gone) await job.send();
  running -= 1;
  work();
}

// The same file is sent once, however often it is chosen; another of its name is not the same.
function add(file, path) {
  const key = `upload ${base} ${path} ${file.size} ${file.lastModified}`;
  if (latest[key]?.open) return;
  new Job(file, path, key).begin();
}

// In pieces, between which the page is drawn and answers.
async function addAll(files) {
  for (const [number, file] of [...files].entries()) {
    if (number % 100 === 99) await new Promise((go) => setTimeout(go));
    add(file, file.webkitRelativePath || file.name);
  }
}

async function walk(entry, path) {
  const ask = (what, name) => new Promise((go, fail) => what[name](go, fail));
  try {
    if (entry.slice) return add(entry, path);
    if (entry.isFile) return add(await ask(entry, "file"), path);
    const reader = entry.createReader();
    for (let found; (found = await ask(reader, "readEntries")).length; ) {
      for (const one of found) await walk(one, `${path}/${one.name}`);
    }
  } catch {
    new Job({ size: 0 }, path).tell("failed", texts.unread);
  }
}

root.onchange = ({ target }) => {
  addAll(target.files);
  target.value = "";
};
ondragover = () => false;
ondrop = ({ dataTransfer }) => {
  for (const item of dataTransfer.items) {
    // What comes from a mail or another page is a file that lies nowhere; a text is neither.
    const entry = item.webkitGetAsEntry() ?? item.getAsFile();
    if (entry) walk(entry, entry.name);
  }
  return false;
};
document.onpaste = ({ clipboardData }) => addAll(clipboardData.files);
onbeforeunload = (event) => {
  if (left) event.preventDefault();
};
find("pause").onclick = ({ target }) => {
  paused = !paused;
  target.textContent = paused ? texts.resume : texts.pause;
  if (!paused) rouse();
  else for (const job of jobs) if (job.state === "sending") job.stop();
  work();
};
for (const key in store) if (key.startsWith("upload ") && !recall(key)) delete store[key];
