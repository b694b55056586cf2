// tus-js-client, unmodified: uploads FILE to ENDPOINT, and says how it ended in one line of JSON.
// STORE keeps the addresses of uploads between runs; STOP ends the process hard once so many bytes were taken.
const fs = require('node:fs')
const { PassThrough } = require('node:stream')
const tus = require('tus-js-client')

const { FILE, ENDPOINT, STORE, NAME, CHUNK, STOP, DEFER, DURING, TERMINATE, RETRIES, PARALLEL, PROTOCOL } = process.env
const say = (line) => fs.writeSync(1, JSON.stringify(line) + '\n')
let began = null

// With a file it knows the length after all, and then declares more than it sends.
const source = DEFER ? fs.createReadStream(FILE).pipe(new PassThrough()) : fs.createReadStream(FILE)
const upload = new tus.Upload(source, {
  endpoint: ENDPOINT,
  protocol: PROTOCOL ?? 'tus-v1',
  metadata: { filename: NAME, filetype: 'application/x-test' },
  chunkSize: CHUNK ? Number(CHUNK) : Infinity,
  uploadLengthDeferred: Boolean(DEFER),
  parallelUploads: PARALLEL ? Number(PARALLEL) : 1,
  uploadDataDuringCreation: Boolean(DURING),
  retryDelays: RETRIES ? JSON.parse(RETRIES) : null,
  urlStorage: new tus.FileUrlStorage(STORE),
  onProgress: (sent) => {
    began ??= sent
    if (STOP && sent >= Number(STOP)) {
      say({ stopped: sent, url: upload.url })
      process.exit(3)
    }
  },
  onChunkComplete: async (_, accepted) => {
    if (TERMINATE && accepted >= Number(TERMINATE)) {
      await upload.abort(true)
      say({ terminated: upload.url })
      process.exit(0)
    }
  },
  onSuccess: () => say({ url: upload.url, began }),
  onError: (error) => {
    const response = error.originalResponse
    say({ status: response ? response.getStatus() : 0, error: String(error), url: upload.url })
    process.exit(1)
  },
})

upload.findPreviousUploads().then((previous) => {
  if (previous.length) upload.resumeFromPreviousUpload(previous[0])
  upload.start()
})
