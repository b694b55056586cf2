// The AWS SDK for JavaScript 2, also where its first versions lack a thing.
const fs = require('node:fs')
const https = require('node:https')
const http = require('node:http')
const AWS = require('aws-sdk')
const { BUCKET: Bucket, PREFIX, WORK, ENDPOINT, CA_FILE, OVER } = process.env
const small = fs.readFileSync(`${WORK}/small.bin`)
const tls = OVER === 'https'
const agent = tls ? new https.Agent({ ca: fs.readFileSync(CA_FILE) }) : undefined
const UNICODE = "ünïcode/日本 語 + & ='🎉.bin"

const make = (signatureVersion, more) =>
  new AWS.S3({
    endpoint: ENDPOINT, region: 'us-east-1', s3ForcePathStyle: true, sslEnabled: tls, signatureVersion, maxRetries: 0,
    accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
    httpOptions: { agent }, ...more,
  })
const call = (s3, name, params) =>
  new Promise((done, failed) => s3[name](params, (error, data) => (error ? failed(error) : done(data))))
const fetchUrl = (method, url, body, headers) =>
  new Promise((done, failed) => {
    const asked = (tls ? https : http).request(url, { method, agent, headers }, (answer) => answer.resume().on('end', done))
    asked.on('error', failed).end(body)
  })

async function everything(s3) {
  await call(s3, 'putObject', { Bucket, Key: PREFIX + 'a.txt', Body: small })
  await call(s3, 'putObject', { Bucket, Key: PREFIX + 'a b+c', Body: 'text', ContentType: 'text/plain; charset=utf-8', Metadata: { under_score: '1', 'dot.ted': 'two  blanks' } })
  await call(s3, 'putObject', { Bucket, Key: PREFIX + UNICODE, Body: small })
  await call(s3, 'putObject', { Bucket, Key: PREFIX + 'stream', Body: fs.createReadStream(`${WORK}/small.bin`) })
  await call(s3, 'putObject', { Bucket, Key: PREFIX + 'empty' })
  await call(s3, 'getObject', { Bucket, Key: PREFIX + 'a.txt', Range: 'bytes=0-9' })
  await call(s3, 'headObject', { Bucket, Key: PREFIX + UNICODE })
  await call(s3, 'listObjects', { Bucket, Prefix: PREFIX, Delimiter: '/' })
  if (s3.listObjectsV2) await call(s3, 'listObjectsV2', { Bucket, Prefix: PREFIX + 'a b+' })
  await call(s3, 'copyObject', { Bucket, Key: PREFIX + 'copy', CopySource: `${Bucket}/${PREFIX}a.txt` })
  await call(s3, 'deleteObjects', { Bucket, Delete: { Objects: [{ Key: PREFIX + 'copy' }, { Key: PREFIX + 'ä & b' }] } })
  await call(s3, 'deleteObject', { Bucket, Key: PREFIX + 'empty' })
  const { UploadId } = await call(s3, 'createMultipartUpload', { Bucket, Key: PREFIX + 'parts', ContentType: 'a/b' })
  const { ETag } = await call(s3, 'uploadPart', { Bucket, Key: PREFIX + 'parts', UploadId, PartNumber: 1, Body: 'part' })
  await call(s3, 'listParts', { Bucket, Key: PREFIX + 'parts', UploadId })
  await call(s3, 'completeMultipartUpload', { Bucket, Key: PREFIX + 'parts', UploadId, MultipartUpload: { Parts: [{ ETag, PartNumber: 1 }] } })
  const other = await call(s3, 'createMultipartUpload', { Bucket, Key: PREFIX + 'none' })
  await call(s3, 'abortMultipartUpload', { Bucket, Key: PREFIX + 'none', UploadId: other.UploadId })
  if (s3.upload) await call(s3, 'upload', { Bucket, Key: PREFIX + 'big', Body: fs.createReadStream(`${WORK}/big.bin`) })
}

async function presigned(s3, older) {
  await fetchUrl('GET', s3.getSignedUrl('getObject', { Bucket, Key: PREFIX + 'a b+c' }))
  if (s3.listObjectsV2 || older) await fetchUrl('GET', s3.getSignedUrl('getObject', { Bucket, Key: PREFIX + 'a.txt', ResponseContentType: 'text/x' })) // its first version signs the slash unescaped
  // SigV2 covers a type whether its maker thought of one or not.
  await fetchUrl('PUT', s3.getSignedUrl('putObject', { Bucket, Key: PREFIX + 'u' }), 'x', older ? {} : { 'content-type': 'text/css' })
  await fetchUrl('PUT', s3.getSignedUrl('putObject', { Bucket, Key: PREFIX + 'v', ContentType: 'a/b' }), 'x', { 'content-type': 'a/b' })
  await fetchUrl('PUT', s3.getSignedUrl('putObject', { Bucket, Key: PREFIX + 'm', Metadata: { a: 'b' } }), 'x')
}

async function main() {
  const steps = {
    v4: () => everything(make('v4')), v2: () => everything(make('s3')),
    unsigned: () => call(make('v4', { s3DisableBodySigning: true }), 'putObject', { Bucket, Key: PREFIX + 'un', Body: 'x' }),
    checked: () => call(make('v4', { computeChecksums: true }), 'putObject', { Bucket, Key: PREFIX + 'md', Body: 'x' }),
    'presigned v4': () => presigned(make('v4')), 'presigned v2': () => presigned(make('s3'), true),
  }
  for (const [step, take] of Object.entries(steps)) {
    try { await take() } catch (error) { console.log(JSON.stringify({ step, ok: false, said: `${error.stack}`.slice(0, 300) })) }
  }
}
main()
