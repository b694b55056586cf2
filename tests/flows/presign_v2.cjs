// The sample of the vendor's page, AWS SDK for JavaScript v2: prints an upload URL.
const AWS = require('aws-sdk')

const { AWS_ENDPOINT_URL_S3, BUCKET, KEY, SIGNATURE } = process.env
const s3 = new AWS.S3({
  endpoint: AWS_ENDPOINT_URL_S3,
  s3ForcePathStyle: true,
  ...(SIGNATURE ? { signatureVersion: SIGNATURE } : {}),
})
const params = {
  Bucket: BUCKET,
  Key: KEY,
  ContentType: 'application/pdf',
  ACL: 'bucket-owner-full-control',
  Expires: 100, // the page says '100'; the SDK now wants a number
}
s3.getSignedUrl('putObject', params, (error, url) => {
  if (error) throw error
  console.log(url)
})
