// knox, of the first years of node, with SigV2.
const fs = require('node:fs')
const url = require('node:url')
const knox = require('knox')
const { BUCKET, PORT, OVER, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const client = knox.createClient({ key: AWS_ACCESS_KEY_ID, secret: AWS_SECRET_ACCESS_KEY, bucket: BUCKET, endpoint: '127.0.0.1', port: Number(PORT), secure: OVER === 'https', style: 'path' })
const wait = (request) => new Promise((done, failed) => request.on('response', (answer) => answer.resume().on('end', done)).on('error', failed))
const call = (name, ...args) => new Promise((done, failed) => client[name](...args, (error, answer) => (error ? failed(error) : (answer && answer.resume ? answer.resume().on('end', done) : done()))))
const small = fs.readFileSync('small.bin')
const steps = {
  put: () => { const asked = client.put('/in/a.txt', { 'Content-Length': small.length, 'Content-Type': 'text/plain' }); asked.end(small); return wait(asked) },
  meta: () => { const asked = client.put('/in/meta', { 'Content-Length': 1, 'x-amz-meta-a_b': 'c', 'x-amz-acl': 'private' }); asked.end('x'); return wait(asked) },
  file: () => call('putFile', 'small.bin', '/in/a b.txt'),
  buffer: () => call('putBuffer', small, '/in/ünï', { 'Content-Type': 'a/b' }),
  get: () => call('getFile', '/in/a.txt'),
  head: () => call('headFile', '/in/a.txt'),
  copy: () => call('copyFile', '/in/a.txt', '/in/copy'),
  list: () => call('list', { prefix: 'in/', 'max-keys': 5 }),
  batch: () => call('deleteMultiple', ['/in/copy', '/in/b c']),
  delete: () => call('deleteFile', '/in/a.txt'),
  url: async () => void (await fetch(client.signedUrl('/in/a.txt', new Date(Date.now() + 600000)))),
}
async function main() {
  for (const [step, take] of Object.entries(steps)) {
    try { await take() } catch (error) { console.log(JSON.stringify({ step, ok: false, said: `${error.stack}`.slice(0, 300) })) }
  }
}
main()
