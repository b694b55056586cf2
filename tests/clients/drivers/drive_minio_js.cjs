// minio-js, which is told its endpoint and keys.
const assert = require('node:assert')
const Minio = require('minio')
const { BUCKET, COUNT, ENDPOINT, MANY, PART, PREFIX, UNICODE, WORK, digest, report, small } = require('./steps.cjs')
const { version } = JSON.parse(require('node:fs').readFileSync(`${process.env.NODE_PATH}/minio/package.json`))

const { hostname: endPoint, port, protocol } = new URL(ENDPOINT)
const { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey } = process.env
const useSSL = protocol === 'https:'
const client = new Minio.Client({ endPoint, port: Number(port), useSSL, accessKey, secretKey, partSize: PART })

async function read(stream) {
  const pieces = []
  for await (const piece of await stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function listed(prefix) {
  const names = []
  for await (const entry of client.listObjectsV2(BUCKET, prefix, true)) names.push(entry.name)
  return names
}

report(version, {
  put: () => client.putObject(BUCKET, PREFIX + 'put.bin', small),
  get: async () => assert(small.equals(await read(client.getObject(BUCKET, PREFIX + 'put.bin')))),
  range: async () =>
    assert(small.subarray(10, 20).equals(await read(client.getPartialObject(BUCKET, PREFIX + 'put.bin', 10, 10)))),
  list: async () => assert.strictEqual(new Set(await listed(MANY)).size, COUNT),
  multipart: async () => {
    await client.fPutObject(BUCKET, PREFIX + 'big.bin', `${WORK}/big.bin`)
    await client.fGetObject(BUCKET, PREFIX + 'big.bin', `${WORK}/back.bin`)
    assert.strictEqual(await digest(`${WORK}/back.bin`), await digest(`${WORK}/big.bin`))
  },
  copy: () => client.copyObject(BUCKET, PREFIX + 'copy.bin', `/${BUCKET}/${PREFIX}put.bin`),
  'batch delete': async () => {
    const names = [0, 1, 2].map((number) => `${PREFIX}batch/${number}`)
    for (const name of names) await client.putObject(BUCKET, name, 'x')
    await client.removeObjects(BUCKET, names)
  },
  unicode: async () => {
    await client.putObject(BUCKET, PREFIX + UNICODE, small)
    assert(small.equals(await read(client.getObject(BUCKET, PREFIX + UNICODE))))
    assert.deepStrictEqual(await listed(PREFIX + 'ünï'), [PREFIX + UNICODE])
  },
})
