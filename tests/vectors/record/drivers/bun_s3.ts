// Bun's own S3 client.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
import { S3Client } from 'bun'
const { ENDPOINT: endpoint, BUCKET: bucket, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, WORK } = process.env
const client = new S3Client({ endpoint, bucket, accessKeyId, secretAccessKey, region: 'us-east-1' })
const steps: Record<string, () => Promise<unknown>> = {
  put: () => client.write('in/a.txt', 'hello'),
  typed: () => client.write('in/typed', new Uint8Array([1, 2]), { type: 'text/css', acl: 'private' }),
  odd: () => client.write("in/a b+c'é!(1)*.txt", 'x'),
  file: () => client.write('in/file', Bun.file(`${WORK}/small.bin`)),
  big: () => client.write('in/big.bin', Bun.file(`${WORK}/big.bin`)),
  writer: async () => { const w = client.file('in/writer').writer({ partSize: 5 * 1024 * 1024 }); w.write('one'); w.write('two'); await w.end() },
  get: () => client.file('in/a.txt').text(),
  slice: () => client.file('in/a.txt').slice(1, 3).text(),
  stat: () => client.stat('in/a.txt'),
  exists: () => client.exists('in/none'),
  list: () => client.list({ prefix: 'in/', maxKeys: 5 }),
  url: async () => void (await fetch(client.presign('in/a.txt', { expiresIn: 600 }))),
  put_url: async () => void (await fetch(client.presign('in/u', { method: 'PUT', type: 'a/b' }), { method: 'PUT', body: 'x', headers: { 'content-type': 'a/b' } })),
  delete: () => client.delete('in/a.txt'),
}
for (const [step, take] of Object.entries(steps)) {
  try { await take() } catch (error) { console.log(JSON.stringify({ step, ok: false, said: `${error}`.slice(0, 300) })) }
}
