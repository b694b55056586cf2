// lean-s3: a small client on undici.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const { S3Client } = await import('lean-s3')
const { ENDPOINT, BUCKET: bucket, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env
const client = new S3Client({ endpoint: ENDPOINT, accessKeyId, secretAccessKey, region: 'us-east-1', bucket })
const steps = {
  put: () => client.file('in/a.txt').write('hello'),
  odd: () => client.file("in/a b+cé.txt").write(new Uint8Array([1, 2])),
  get: () => client.file('in/a.txt').text(),
  slice: () => client.file('in/a.txt').slice(1, 3).text(),
  stat: () => client.file('in/a.txt').stat(),
  list: () => client.list({ prefix: 'in/', maxKeys: 5 }),
  batch: () => client.deleteObjects(['in/x', 'in/b c']),
  parts: async () => {
    const { uploadId } = await client.createMultipartUpload('in/parts')
    const part = await client.uploadPart('in/parts', uploadId, Buffer.from('part'), 1)
    await client.completeMultipartUpload('in/parts', uploadId, [part])
  },
  url: async () => void (await fetch(client.presign('in/a.txt', { method: 'GET' }))),
  delete: () => client.file('in/a.txt').delete(),
}
for (const [step, take] of Object.entries(steps)) {
  try { await take() } catch (error) { console.log(JSON.stringify({ step, ok: false, said: `${error.stack}`.slice(0, 300) })) }
}
