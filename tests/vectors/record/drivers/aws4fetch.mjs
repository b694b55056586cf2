// aws4fetch: SigV4 for fetch, as it is used in edge workers.
import { AwsClient } from 'aws4fetch'
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
const { ENDPOINT, BUCKET } = process.env
const aws = new AwsClient({ accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY, service: 's3', region: 'us-east-1', retries: 0 })
const at = `${ENDPOINT}/${BUCKET}/in`
const ask = async (url, init) => (await aws.fetch(url, init)).arrayBuffer()
await ask(`${at}/a.txt`, { method: 'PUT', body: 'hello' })
await ask(`${at}/typed`, { method: 'PUT', body: 'hello', headers: { 'content-type': 'text/css', 'x-amz-meta-a_b': 'c  d' } })
await ask(`${at}/a b%2Bc'é!(1)*.txt`, { method: 'PUT', body: new Uint8Array([1, 2]) })
await ask(`${at}/all`, { method: 'PUT', body: 'x', headers: { 'content-type': 'a/b' }, aws: { allHeaders: true } })
await ask(`${at}/a.txt`)
await ask(`${at}/a.txt`, { headers: { range: 'bytes=0-1' } })
await ask(`${at}/a.txt`, { method: 'HEAD' })
await ask(`${ENDPOINT}/${BUCKET}?list-type=2&prefix=in/a b%2B`)
await ask(`${ENDPOINT}/${BUCKET}/?list-type=2&delimiter=/`)
await ask(`${at}/q?X-Amz-Expires=600`, { method: 'PUT', body: 'x', headers: { 'content-type': 'a/b' }, aws: { signQuery: true } })
await ask(`${at}/a.txt`, { aws: { signQuery: true } })
await ask(`${at}/copy`, { method: 'PUT', headers: { 'x-amz-copy-source': `/${BUCKET}/in/a.txt` } })
await ask(`${ENDPOINT}/${BUCKET}?delete`, { method: 'POST', body: '<Delete><Object><Key>in/copy</Key></Object></Delete>', headers: { 'content-md5': 'rbLUZaQ6IUStREftBOjfLw==' } })
await ask(`${at}/big?uploads`, { method: 'POST' })
await ask(`${at}/a.txt`, { method: 'DELETE' })
