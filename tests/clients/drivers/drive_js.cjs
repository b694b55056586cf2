// The AWS SDK for JavaScript v3, configured by environment variables; path style is its own setting.
const fs = require('node:fs')
const assert = require('node:assert')
const { pipeline } = require('node:stream/promises')
const S3 = require('@aws-sdk/client-s3')
const { Upload } = require('@aws-sdk/lib-storage')
const { version } = require('@aws-sdk/client-s3/package.json')
const { BUCKET: Bucket, COUNT, MANY, PART, PREFIX, UNICODE, WORK, digest, report, small } = require('./steps.cjs')

const client = new S3.S3Client({ forcePathStyle: true })
const send = (Command, input) => client.send(new Command({ Bucket, ...input }))
const read = async (input) => Buffer.from(await (await send(S3.GetObjectCommand, input)).Body.transformToByteArray())

report(version, {
  put: () => send(S3.PutObjectCommand, { Key: PREFIX + 'put.bin', Body: small }),
  get: async () => assert(small.equals(await read({ Key: PREFIX + 'put.bin' }))),
  range: async () =>
    assert(small.subarray(10, 20).equals(await read({ Key: PREFIX + 'put.bin', Range: 'bytes=10-19' }))),
  list: async () => {
    const found = new Set()
    for await (const page of S3.paginateListObjectsV2({ client }, { Bucket, Prefix: MANY })) {
      for (const entry of page.Contents) found.add(entry.Key)
    }
    assert.strictEqual(found.size, COUNT)
  },
  multipart: async () => {
    const Body = fs.createReadStream(`${WORK}/big.bin`)
    await new Upload({ client, params: { Bucket, Key: PREFIX + 'big.bin', Body }, partSize: PART }).done()
    const answer = await send(S3.GetObjectCommand, { Key: PREFIX + 'big.bin' })
    await pipeline(answer.Body, fs.createWriteStream(`${WORK}/back.bin`))
    assert.strictEqual(await digest(`${WORK}/back.bin`), await digest(`${WORK}/big.bin`))
  },
  copy: () => send(S3.CopyObjectCommand, { Key: PREFIX + 'copy.bin', CopySource: `${Bucket}/${PREFIX}put.bin` }),
  'batch delete': async () => {
    const Objects = [0, 1, 2].map((number) => ({ Key: `${PREFIX}batch/${number}` }))
    for (const { Key } of Objects) await send(S3.PutObjectCommand, { Key, Body: 'x' })
    const done = await send(S3.DeleteObjectsCommand, { Delete: { Objects } })
    assert.strictEqual(done.Deleted.length, 3)
  },
  unicode: async () => {
    await send(S3.PutObjectCommand, { Key: PREFIX + UNICODE, Body: small })
    assert(small.equals(await read({ Key: PREFIX + UNICODE })))
    const found = await send(S3.ListObjectsV2Command, { Prefix: PREFIX + 'ünï' })
    assert.deepStrictEqual(found.Contents.map((entry) => entry.Key), [PREFIX + UNICODE])
  },
})
