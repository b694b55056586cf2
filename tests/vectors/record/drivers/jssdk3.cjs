// The AWS SDK for JavaScript 3. What its first version signs wrongly, which S3 refuses as well, is left out: a port in
// the host of a URL, blanks in a row, and a type of one's own, of which it signs the default and sends the other.
const fs = require('node:fs')
const https = require('node:https')
const http = require('node:http')
const S3 = require('@aws-sdk/client-s3')
const presigner = require('@aws-sdk/s3-request-presigner')
const { BUCKET: Bucket, PREFIX, WORK, ENDPOINT, CA_FILE, OVER, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
const small = fs.readFileSync(`${WORK}/small.bin`)
const tls = OVER === 'https'
const agent = tls ? new https.Agent({ ca: fs.readFileSync(CA_FILE) }) : undefined
const UNICODE = "ünïcode/日本 語 + & ='🎉.bin"
const client = new S3.S3Client({
  endpoint: ENDPOINT, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1,
  credentials: { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY },
})
const send = (Command, input) => client.send(new Command({ Bucket, ...input }))
const fetchUrl = (method, url, body, headers) =>
  new Promise((done, failed) => {
    const asked = (tls ? https : http).request(url, { method, agent, headers }, (answer) => answer.resume().on('end', done))
    asked.on('error', failed).end(body)
  })

const steps = {
  put: () => send(S3.PutObjectCommand, { Key: PREFIX + 'a.txt', Body: small }),
  meta: () => send(S3.PutObjectCommand, { Key: PREFIX + 'a b+c', Body: 'text', ...(process.env.EARLY ? {} : { ContentType: 'text/plain' }), Metadata: { under_score: '1', 'dot.ted': process.env.EARLY ? 'one blank' : 'two  blanks' } }),
  unicode: () => send(S3.PutObjectCommand, { Key: PREFIX + UNICODE, Body: small }),
  stream: () => send(S3.PutObjectCommand, { Key: PREFIX + 'stream', Body: fs.createReadStream(`${WORK}/small.bin`) }),
  length: () => send(S3.PutObjectCommand, { Key: PREFIX + 'known', Body: fs.createReadStream(`${WORK}/small.bin`), ContentLength: small.length }),
  checked: () => send(S3.PutObjectCommand, { Key: PREFIX + 'sha', Body: 'x', ChecksumAlgorithm: 'SHA256' }),
  get: async () => (await send(S3.GetObjectCommand, { Key: PREFIX + 'a.txt' })).Body.destroy(),
  range: async () => (await send(S3.GetObjectCommand, { Key: PREFIX + 'a.txt', Range: 'bytes=0-9' })).Body.destroy(),
  head: () => send(S3.HeadObjectCommand, { Key: PREFIX + UNICODE }),
  list: () => send(S3.ListObjectsV2Command, { Prefix: PREFIX + 'a b+', Delimiter: '/' }),
  list1: () => send(S3.ListObjectsCommand, { Prefix: PREFIX }),
  copy: () => send(S3.CopyObjectCommand, { Key: PREFIX + 'copy', CopySource: `${Bucket}/${PREFIX}a.txt` }),
  batch: () => send(S3.DeleteObjectsCommand, { Delete: { Objects: [{ Key: PREFIX + 'copy' }, { Key: PREFIX + 'ä & b' }] } }),
  delete: () => send(S3.DeleteObjectCommand, { Key: PREFIX + 'sha' }),
  parts: async () => {
    const Key = PREFIX + 'parts'
    const { UploadId } = await send(S3.CreateMultipartUploadCommand, { Key })
    const { ETag } = await send(S3.UploadPartCommand, { Key, UploadId, PartNumber: 1, Body: 'part' })
    await send(S3.ListPartsCommand, { Key, UploadId })
    await send(S3.CompleteMultipartUploadCommand, { Key, UploadId, MultipartUpload: { Parts: [{ ETag, PartNumber: 1 }] } })
    const other = await send(S3.CreateMultipartUploadCommand, { Key })
    await send(S3.AbortMultipartUploadCommand, { Key, UploadId: other.UploadId })
  },
  presigned: async () => {
    if (process.env.EARLY) return // its first version signs a host without its port
    const sign = (command) => presigner.getSignedUrl(client, command, { expiresIn: 600 })
    await fetchUrl('GET', await sign(new S3.GetObjectCommand({ Bucket, Key: PREFIX + 'a b+c' })))
    await fetchUrl('PUT', await sign(new S3.PutObjectCommand({ Bucket, Key: PREFIX + 'u' })), 'x', { 'content-type': 'text/css' })
    await fetchUrl('PUT', await sign(new S3.PutObjectCommand({ Bucket, Key: PREFIX + 'm', ContentType: 'a/b', Metadata: { a: 'b' } })), 'x', { 'content-type': 'a/b' })
  },
}

async function main() {
  for (const [step, take] of Object.entries(steps)) {
    try { await take() } catch (error) { console.log(JSON.stringify({ step, ok: false, said: `${error.stack}`.slice(0, 300) })) }
  }
}
main()
