// What every JavaScript driver is given and what it tells: one JSON line for each step.
const fs = require('node:fs')
const crypto = require('node:crypto')
const { pipeline } = require('node:stream/promises')

const { BUCKET, PREFIX, WORK, MANY, COUNT, AWS_ENDPOINT_URL_S3: ENDPOINT } = process.env
const UNICODE = "ünïcode/日本 語 + & ='🎉.bin"
const PART = 8 * 1024 * 1024
const small = fs.readFileSync(`${WORK}/small.bin`)
const say = (line) => console.log(JSON.stringify(line))

async function digest(path) {
  const hash = crypto.createHash('sha256')
  await pipeline(fs.createReadStream(path), hash)
  return hash.digest('hex')
}

async function report(version, steps) {
  say({ version })
  for (const [step, take] of Object.entries(steps)) {
    if (typeof take === 'string') {
      say({ step, ok: null, said: take })
      continue
    }
    try {
      const said = await take()
      say({ step, ok: true, said: typeof said === 'string' ? said : '' })
    } catch (error) {
      console.error(error)
      say({ step, ok: false, said: `${error.name}: ${error.message}`.slice(0, 300) })
    }
  }
}

module.exports = { BUCKET, COUNT: Number(COUNT), ENDPOINT, MANY, PART, PREFIX, UNICODE, WORK, digest, report, small }
