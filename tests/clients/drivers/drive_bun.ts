// Bun's own S3 client, configured by environment variables; it copies nothing and deletes one by one.
import assert from 'node:assert'
import { S3Client } from 'bun'
import { BUCKET, COUNT, ENDPOINT, MANY, PART, PREFIX, UNICODE, WORK, digest, report, small } from './steps.cjs'

const client = new S3Client({ bucket: BUCKET, endpoint: ENDPOINT })
const read = async (name: string) => Buffer.from(await client.file(name).arrayBuffer())

async function listed(prefix: string) {
  const names: string[] = []
  let continuationToken: string | undefined
  do {
    const page = await client.list({ prefix, continuationToken })
    names.push(...(page.contents ?? []).map((entry) => entry.key))
    continuationToken = page.isTruncated ? page.nextContinuationToken : undefined
  } while (continuationToken)
  return names
}

report(Bun.version, {
  put: () => client.write(PREFIX + 'put.bin', small),
  get: async () => assert(small.equals(await read(PREFIX + 'put.bin'))),
  range: async () => {
    const piece = Buffer.from(await client.file(PREFIX + 'put.bin').slice(10, 20).arrayBuffer())
    assert(small.subarray(10, 20).equals(piece))
  },
  list: async () => assert.strictEqual(new Set(await listed(MANY)).size, COUNT),
  multipart: async () => {
    await client.write(PREFIX + 'big.bin', Bun.file(`${WORK}/big.bin`), { partSize: PART })
    await Bun.write(`${WORK}/back.bin`, client.file(PREFIX + 'big.bin'))
    assert.strictEqual(await digest(`${WORK}/back.bin`), await digest(`${WORK}/big.bin`))
  },
  copy: 'no such operation',
  'batch delete': async () => {
    const names = [0, 1, 2].map((number) => `${PREFIX}batch/${number}`)
    for (const name of names) await client.write(name, 'x')
    for (const name of names) await client.delete(name)
    return 'one by one'
  },
  unicode: async () => {
    await client.write(PREFIX + UNICODE, small)
    assert(small.equals(await read(PREFIX + UNICODE)))
    assert.deepStrictEqual(await listed(PREFIX + 'ünï'), [PREFIX + UNICODE])
  },
})
