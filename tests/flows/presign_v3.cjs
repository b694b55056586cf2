// The same with the AWS SDK for JavaScript v3.
const { PutObjectCommand, S3Client } = require('@aws-sdk/client-s3')
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner')

const { BUCKET, KEY } = process.env
const command = new PutObjectCommand({
  Bucket: BUCKET,
  Key: KEY,
  ContentType: 'application/pdf',
  ACL: 'bucket-owner-full-control',
})
getSignedUrl(new S3Client({ forcePathStyle: true }), command, { expiresIn: 100 }).then((url) => console.log(url))
