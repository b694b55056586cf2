// s3mini: a small client without dependencies.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const { S3mini } = await import('s3mini')
const { ENDPOINT, BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
const s3 = new S3mini({ endpoint: `${ENDPOINT}/${BUCKET}`, region: 'us-east-1', accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY })
const steps = {
  put: () => s3.putObject('in/a.txt', 'hello', 'text/plain'),
  odd: () => s3.putObject("in/a b+c'é!(1)*.txt", Buffer.from('hello')),
  get: () => s3.getObject('in/a.txt'),
  range: () => s3.getObjectRaw('in/a.txt', false, 0, 3),
  head: () => s3.getContentLength('in/a.txt'),
  list: () => s3.listObjects('/', 'in/'),
  exists: () => s3.bucketExists(),
  parts: async () => {
    const id = await s3.getMultipartUploadId('in/parts', 'a/b')
    const part = await s3.uploadPart('in/parts', id, Buffer.from('part'), 1)
    await s3.completeMultipartUpload('in/parts', id, [part])
  },
  copy: () => s3.copyObject('in/a.txt', 'in/copy'),
  batch: () => s3.deleteObjects(['in/copy', 'in/b c']),
  delete: () => s3.deleteObject('in/a.txt'),
}
for (const [step, take] of Object.entries(steps)) {
  try { await take() } catch (error) { console.log(JSON.stringify({ step, ok: false, said: `${error.stack}`.slice(0, 300) })) }
}
