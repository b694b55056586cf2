// The AWS SDK for JavaScript 2, which reads keys and region from the environment and is told the rest.
const fs = require('node:fs')
const assert = require('node:assert')
const { pipeline } = require('node:stream/promises')
const AWS = require('aws-sdk')
const { BUCKET: Bucket, COUNT, ENDPOINT, MANY, PART, PREFIX, UNICODE, WORK, digest, report, small } = require('./steps.cjs')

const client = new AWS.S3({ endpoint: ENDPOINT, s3ForcePathStyle: true })
const call = (name, input) => client[name]({ Bucket, ...input }).promise()
const read = async (input) => (await call('getObject', input)).Body

report(AWS.VERSION, {
  put: () => call('putObject', { Key: PREFIX + 'put.bin', Body: small }),
  get: async () => assert(small.equals(await read({ Key: PREFIX + 'put.bin' }))),
  range: async () =>
    assert(small.subarray(10, 20).equals(await read({ Key: PREFIX + 'put.bin', Range: 'bytes=10-19' }))),
  list: async () => {
    const found = new Set()
    let ContinuationToken
    do {
      const page = await call('listObjectsV2', { Prefix: MANY, ContinuationToken })
      for (const entry of page.Contents) found.add(entry.Key)
      ContinuationToken = page.NextContinuationToken
    } while (ContinuationToken)
    assert.strictEqual(found.size, COUNT)
  },
  multipart: async () => {
    const Body = fs.createReadStream(`${WORK}/big.bin`)
    await client.upload({ Bucket, Key: PREFIX + 'big.bin', Body }, { partSize: PART }).promise()
    const stream = client.getObject({ Bucket, Key: PREFIX + 'big.bin' }).createReadStream()
    await pipeline(stream, fs.createWriteStream(`${WORK}/back.bin`))
    assert.strictEqual(await digest(`${WORK}/back.bin`), await digest(`${WORK}/big.bin`))
  },
  copy: () => call('copyObject', { Key: PREFIX + 'copy.bin', CopySource: `${Bucket}/${PREFIX}put.bin` }),
  'batch delete': async () => {
    const Objects = [0, 1, 2].map((number) => ({ Key: `${PREFIX}batch/${number}` }))
    for (const { Key } of Objects) await call('putObject', { Key, Body: 'x' })
    const done = await call('deleteObjects', { Delete: { Objects } })
    assert.strictEqual(done.Deleted.length, 3)
  },
  unicode: async () => {
    await call('putObject', { Key: PREFIX + UNICODE, Body: small })
    assert(small.equals(await read({ Key: PREFIX + UNICODE })))
    const found = await call('listObjectsV2', { Prefix: PREFIX + 'ünï' })
    assert.deepStrictEqual(found.Contents.map((entry) => entry.Key), [PREFIX + UNICODE])
  },
})
