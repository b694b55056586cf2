// aws4: signs what is given to node's own http.
const aws4 = require('aws4')
const { BUCKET, PORT, OVER } = process.env
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const web = require(OVER === 'https' ? 'node:https' : 'node:http')
const ask = (options) => new Promise((done, failed) => {
  const signed = aws4.sign({ host: `127.0.0.1:${PORT}`, service: 's3', region: 'us-east-1', ...options })
  const [hostname] = signed.host.split(':')
  const asked = web.request({ ...signed, host: undefined, hostname, port: PORT }, (answer) => answer.resume().on('end', () => done(answer)))
  asked.on('error', failed).end(signed.body || '')
})
async function main() {
  const at = `/${BUCKET}/in`
  await ask({ method: 'PUT', path: `${at}/a.txt`, body: 'hello' })
  await ask({ method: 'PUT', path: `${at}/b%20c%2Bd`, body: 'hello', headers: { 'Content-Type': 'text/css', 'X-Amz-Meta-a_b': 'c  d' } })
  await ask({ path: `${at}/a.txt` })
  await ask({ path: `${at}/a.txt`, headers: { Range: 'bytes=0-1' } })
  await ask({ method: 'HEAD', path: `${at}/a.txt` })
  await ask({ path: `/${BUCKET}?list-type=2&prefix=in/` })
  await ask({ path: `/${BUCKET}/?prefix=in%2Fa%20b&delimiter=/&list-type=2` })
  await ask({ path: `${at}/a.txt?X-Amz-Expires=600`, signQuery: true })
  await ask({ method: 'PUT', path: `${at}/q`, body: 'x', signQuery: true })
  await ask({ method: 'PUT', path: `${at}/copy`, headers: { 'X-Amz-Copy-Source': `/${BUCKET}/in/a.txt` } })
  await ask({ method: 'DELETE', path: `${at}/a.txt` })
}
main()
