// minio-js of the years before promises.
const fs = require('node:fs')
const Minio = require('minio')
const { BUCKET, PREFIX, WORK, PORT, OVER, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const Client = Minio.Client || Minio
const client = new Client({
  endPoint: '127.0.0.1', port: Number(PORT), secure: OVER === 'https', useSSL: OVER === 'https',
  accessKey: AWS_ACCESS_KEY_ID, secretKey: AWS_SECRET_ACCESS_KEY,
})
process.on('uncaughtException', (error) => console.log(JSON.stringify({ step: 'later', ok: false, said: error.message })))
const early = Number(require('minio/package.json').version.split('.')[0]) < 5
const meta = early ? 'text/plain' : { 'Content-Type': 'text/plain', 'X-Amz-Meta-under_score': '1', 'dot.ted': 'two  blanks' }
const UNICODE = "ünïcode/日本 語 + & ='🎉.bin"
const call = (name, ...args) => new Promise((done, failed) => {
  const timer = setTimeout(() => failed(new Error('no answer')), 5000)
  client[name](...args, (error, data) => { clearTimeout(timer); error ? failed(error) : done(data) })
})
const drain = (stream) => new Promise((done, failed) => stream.on('data', () => {}).on('end', done).on('error', failed))
const small = fs.readFileSync(`${WORK}/small.bin`)
const steps = {
  put: () => call('putObject', BUCKET, PREFIX + 'a.txt', small, meta),
  text: () => call('putObject', BUCKET, PREFIX + 'a b+c', 'text', meta),
  unicode: () => call('putObject', BUCKET, PREFIX + UNICODE, small, meta),
  stream: () => call('putObject', BUCKET, PREFIX + 'stream', fs.createReadStream(`${WORK}/small.bin`), small.length, meta),
  file: () => call('fPutObject', BUCKET, PREFIX + 'big.bin', `${WORK}/big.bin`, meta),
  get: async () => drain(await call('getObject', BUCKET, PREFIX + 'a.txt')),
  range: async () => drain(await call('getPartialObject', BUCKET, PREFIX + 'a.txt', 2, 5)),
  stat: () => call('statObject', BUCKET, PREFIX + UNICODE),
  list: () => drain(client.listObjects(BUCKET, PREFIX, true)),
  exists: () => call('bucketExists', BUCKET),
  copy: () => call('copyObject', BUCKET, PREFIX + 'copy', `/${BUCKET}/${PREFIX}a.txt`, new Minio.CopyConditions()),
  presigned: async () => {
    const url = await new Promise((done) => { const made = client.presignedGetObject(BUCKET, PREFIX + 'a b+c', 600, (e, u) => done(u)); if (typeof made === 'string') done(made) })
    await fetch(url)
  },
  remove: () => call('removeObject', BUCKET, PREFIX + 'copy'),
}
async function main() {
  for (const [step, take] of Object.entries(steps)) {
    try { await take() } catch (error) { console.log(JSON.stringify({ step, ok: false, said: `${error.stack}`.slice(0, 300) })) }
  }
  process.exit(0)
}
main()
