// Sends files and whole folders from an upload page by the tus protocol, each in one request that can be broken off.
// The page works without it: it takes the place of the plain form. Laws: what was sent is never sent again, whatever
// broke, a closed tab included; a file is done when the gateway says that it has every byte of it.
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
const jobs = [];
const waiting = [];
let running = 0;
let paused = false;
let wake = [];

const fill = (text, values) => text.replace(/{(\w+)}/g, (_, name) => values[name]);
const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
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
      // A browser that keeps nothing sends from the beginning after a closed tab.
    }
  },
  prune() {
    for (const key of Object.keys(localStorage)) if (key.startsWith("upload ") && !this.read(key)) this.write(key, null);
  },
};

class Refusal extends Error {}

function call(job, method, url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = (job.request = new XMLHttpRequest());
    let timer;
    const renew = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALLED);
    };
    request.open(method, url);
    for (const [name, value] of Object.entries({ "Tus-Resumable": "1.0.0", ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => {
      renew();
      job.show(job.offset + event.loaded);
    };
    request.onloadend = () => {
      clearTimeout(timer);
      if (request.status) resolve(request);
      else reject(new Error(texts.network));
    };
    renew();
    request.send(body ?? null);
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
  const again = request.status >= 500 || [408, 423, 429].includes(request.status) || ["upload_busy", "offset_mismatch"].includes(reason);
  const found = new (again ? Error : Refusal)(texts[reason] ?? `${texts.failed} (${reason ?? request.status})`);
  // Another request holds the upload until its client has been silent for two seconds: the one that broke, most likely.
  found.after = Number(request.getResponseHeader("Retry-After")) * 1000 || (request.status === 423 ? 2500 : 0);
  return found;
}

// By which the gateway knows an upload again whose beginning was not answered.
function newMark() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `${Math.floor(Date.now() / 1000)}-${hex(bytes)}`;
}

const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

class Job {
  constructor(file, path) {
    Object.assign(this, { file, path, offset: 0, moved: 0, state: "waiting", tries: 0 });
    this.key = `upload ${base} ${path} ${file.size} ${file.lastModified}`;
    this.row = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = `${path} (${size(file.size)})`;
    this.bar = document.createElement("progress");
    this.bar.setAttribute("aria-label", path);
    this.said = document.createElement("span");
    this.said.className = "soft";
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

  show(moved) {
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

  async find() {
    const known = kept.read(this.key) ?? "";
    if (known.includes("/")) this.url ??= known;
    else this.mark ??= known || newMark();
    if (!this.url) return;
    const answer = await call(this, "HEAD", this.url, {});
    if (answer.status === 404 || answer.status === 410) {
      this.url = null;
      this.mark = newMark();
      kept.write(this.key, null);
    } else if (answer.status === 200) {
      this.offset = Number(answer.getResponseHeader("Upload-Offset"));
      if (this.offset < this.file.size) await this.append(0); // asks whether it is free, before much is sent in vain
    } else throw fault(answer);
  }

  async create() {
    const [name, ...above] = this.path.split("/").reverse();
    const folder = above.reverse().map((step) => `${encodeURIComponent(step)}/`).join("");
    const type = this.file.type ? `,filetype ${encoded(this.file.type)}` : "";
    kept.write(this.key, this.mark);
    const answer = await call(this, "POST", folder ? base.replace(/\/?$/, "/") + folder : base, {
      "Upload-Key": this.mark,
      "Upload-Length": this.file.size,
      "Upload-Metadata": `filename ${encoded(name)}${type}`,
    });
    if (answer.status !== 201) throw fault(answer);
    this.url = answer.getResponseHeader("Location");
    this.offset = Number(answer.getResponseHeader("Upload-Offset"));
    kept.write(this.key, this.url);
  }

  async append(most) {
    const headers = { "Upload-Offset": this.offset, "Content-Type": "application/offset+octet-stream" };
    const answer = await call(this, "PATCH", this.url, headers, this.file.slice(this.offset, most ?? this.file.size));
    if (answer.status !== 204) throw fault(answer);
    this.offset = Number(answer.getResponseHeader("Upload-Offset"));
  }

  async send() {
    this.tell("sending");
    this.digest ??= digest(this.file).catch(() => "");
    for (let known = -1; ; ) {
      try {
        await this.find();
        if (!this.url) await this.create();
        if (this.offset > known) this.tries = 0;
        known = this.offset;
        if (this.offset < this.file.size) await this.append();
        if (this.offset >= this.file.size) break;
      } catch (error) {
        if (paused) await new Promise((go) => wake.push(go));
        else if (error instanceof Refusal || ++this.tries > TRIES) return this.fail(error);
        else await pause(Math.max(error.after ?? 0, Math.min(30000, 250 * 2 ** this.tries)), this);
      }
    }
    this.show(this.file.size);
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
      const answer = await call(this, "DELETE", this.url, {});
      if (answer.status !== 204) throw fault(answer);
      kept.write(this.key, null);
      this.tell("undone");
    } catch (error) {
      this.tell("done", error.message);
    }
  }
}

// Until the time is over, or the network is said to be there again.
function pause(time, job) {
  job.said.textContent = texts.retrying;
  return new Promise((go) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      job.said.textContent = texts.sending;
      go();
    };
    const timer = setTimeout(done, time);
    addEventListener("online", done);
  });
}

// SHA-256 in hex. Of a large file it is that of the digests of its pieces, with their number, as S3 has it: a browser's
// own takes all bytes at once, and over HTTPS alone.
async function digest(file) {
  const sha256 = async (blob) => new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const count = Math.ceil(file.size / PIECE);
  const found = [];
  for (let at = 0; at < count && count > 1; at += 1) found.push(await sha256(file.slice(at * PIECE, (at + 1) * PIECE)));
  const hash = await sha256(count > 1 ? new Blob(found) : file);
  return count > 1 ? `${hex(hash)}-${count}` : hex(hash);
}

function total() {
  const done = jobs.filter((job) => job.state === "done").length;
  const bytes = jobs.reduce((sum, job) => sum + job.file.size, 0);
  const moved = jobs.reduce((sum, job) => sum + (job.state === "failed" ? 0 : job.moved), 0);
  find("all").value = bytes ? moved / bytes : Number(jobs.length > 0);
  const text = fill(texts.total, { done, count: jobs.length, moved: size(moved), bytes: size(bytes) });
  if (find("total").textContent !== text) find("total").textContent = text;
  root.dataset.left = jobs.filter((job) => ["waiting", "sending"].includes(job.state)).length;
  root.dataset.failed = jobs.filter((job) => job.state === "failed").length;
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
  if (jobs.some((job) => job.path === path && job.state !== "failed")) return;
  const job = new Job(file, path);
  jobs.push(job);
  waiting.push(job);
  find("progress").hidden = false;
  total();
  work();
}

async function walk(entry, above) {
  if (entry.isFile) {
    add(await new Promise((resolve, reject) => entry.file(resolve, reject)), above + entry.name);
    return;
  }
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
  if (paused) for (const job of jobs) if (job.state === "sending") job.request.abort();
  if (!paused) for (const go of wake.splice(0)) go();
  for (let free = running; free < AT_ONCE; free += 1) work();
};
kept.prune();
